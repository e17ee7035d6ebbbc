"""What is asked of each command that reads labels, in a form that can be compared; and a watch on who opens them."""

from __future__ import annotations

import csv
import inspect
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import label_matrix as matrix
import numpy as np
import SimpleITK as sitk
from label_matrix import Written

from LiverPlannerLib.labels import parse_mapping, read_labels
from PreopReviewLib import images

PLANE = "--plane=19,5,60,1,0.2,0.1"  # cuts liver and lesions


@dataclass
class Case:
    """What a command is run on."""

    run: Callable[..., str]
    series: Path
    given: Written
    plain: Written
    folder: Path

    def json(self, *arguments: object) -> Any:
        return json.loads(self.run(*arguments, "--json", *self.given.option))


def volumetry(case: Case) -> Any:
    answer = case.json("liver", "volumetry", case.given.path, PLANE)
    return answer["measures"], _nameless(answer["resection"])


def remnant(case: Case) -> Any:
    """The plane's remnant as a file, on the grid of whatever labels there are."""
    case.run("liver", "volumetry", case.plain.path, PLANE, "-o", case.folder / "plane")
    file = case.folder / "plane" / "remnant.nii.gz"
    return case.json("liver", "volumetry", case.given.path, "--remnant", file)["measures"]


def margins(case: Case) -> Any:
    answer = case.json("liver", "margins", case.given.path, PLANE)
    return (
        [_without(row, "name") for row in answer["lesions"]],
        answer["smallest_margin_mm"],
        _nameless(answer["resection"]),
    )


def compare(case: Case) -> Any:
    """Both ways against the plain file: nothing may differ."""
    known = [word.replace("--labels", "--manual-labels") for word in case.given.option]
    one = json.loads(case.run("liver", "compare", case.plain.path, case.given.path, "--json", *known))
    two = case.json("liver", "compare", case.given.path, case.plain.path, "--manual-labels", _NAMES)
    for compared in (one, two):
        assert all(row["dsc"] == 1 and row["hd_mm"] == 0 and row["vd_ml"] == 0 for row in compared["structures"])
        assert {row["outcome"] for row in compared["lesions"]} == {"matched"}
    return [(r["structure"], r["reference_ml"]) for r in one["structures"]], _lesion_sizes(one)


_NAMES = "liver=5,portal_vein=64,hepatic_vein=7,cyst=2,Tumor 1=11,HCC S8=12,Metastasis 3=13"


def cysts(case: Case) -> Any:
    case.run(
        "liver", "cysts", case.series, case.given.path, "-o", case.folder / "cysts", "--figures=0", *case.given.option
    )
    answer = json.loads((case.folder / "cysts" / "regions.json").read_text())
    labels = images.array_of(images.read_image(case.folder / "cysts" / "labels.nii.gz"))
    return [_without(r, "name") for r in answer["regions"]], labels.tobytes()


def branches(case: Case) -> Any:
    return case.json("liver", "branches", case.given.path, "-o", case.folder / "branches")["trees"]


def candidates(case: Case) -> Any:
    """None here; accepting one would write the labels as they were read."""
    return case.json("liver", "candidates", case.given.path)["candidates"]


def territories(case: Case) -> Any:
    answer = case.json("liver", "territories", case.given.path, "-o", case.folder / "territories", "--no-segments")
    return answer["territories"], answer["branches"]


def resections(case: Case) -> Any:
    answer = case.json("liver", "resections", case.given.path, "-o", case.folder / "resections", PLANE)
    return answer["resections"]


def couinaud(case: Case) -> Any:
    answer = case.json("liver", "couinaud", case.given.path, "-o", case.folder / "couinaud", "-q")
    return answer["liver_ml"], len(answer["lesions"])


def radiomics(case: Case) -> Any:
    answer = case.json("liver", "radiomics", case.series, case.given.path, "-o", case.folder / "radiomics", "-q")
    return answer["structures"]


def measure(case: Case) -> Any:
    place = case.folder / "measure"
    arguments = ("--manual", case.given.path, PLANE, "--no-radiomics", *case.given.option)
    case.run("liver", "measure", case.series, case.given.path, "-o", place, *arguments)
    rows = [list(csv.reader(p.open())) for p in sorted(place.rglob("*.csv")) if p.parent.name != "branches"]
    return [_without_names(table) for table in rows]


def _without_names(table: list[list[str]]) -> list[list[str]]:
    """Files call their lesions by different names, and some by none."""
    names = [n for n, cell in enumerate(table[0]) if cell in ("name", "In the file")] if table else []
    left = [[cell for n, cell in enumerate(row) if n not in names] for row in table]
    return [[cell for cell in row if not cell.startswith(matrix.LESIONS)] for row in left]


def report(case: Case) -> Any:
    place = case.folder / "report"
    place.mkdir()
    page = place / "page.html"
    answer = case.json("liver", "report", case.series, case.given.path, "-o", page, "-q", PLANE)
    tables = {p.name: list(csv.reader(p.open())) for p in place.glob("*.csv") if "segments" not in p.name}
    assert "page_lesions.csv" in tables
    return answer["volumes_ml"], answer["not_measured"], {n: _without_names(t) for n, t in tables.items()}


def truth_add(case: Case) -> Any:
    from LiverPlannerLib.ground_truth.work_list import open_list

    work = case.folder / "list"
    case.run("liver", "truth", "new", case.series, "-o", work)
    name = open_list(work).cases[0].name
    case.run("liver", "truth", "add", work, name, case.given.path, "--annotator", "A", *case.given.option)
    case.run("liver", "truth", "add", work, name, case.given.path, "--annotator", "B", *case.given.option)
    case.run("liver", "truth", "consensus", work, "--method", "majority", "-q")
    drawn = open_list(work).labels(name, "consensus")
    case.run("liver", "truth", "export", work, "-o", case.folder / "exported", "-q")
    exported = read_labels(next((case.folder / "exported" / "labelsTr").iterdir()))
    same = {int(v): int((images.array_of(exported.labels) == v).sum()) for v in (1, 2, 4, 5)}
    return images.array_of(drawn).tobytes(), same


def cohort(case: Case) -> Any:
    """The folder form, where nothing but the file says what its values are."""
    place = case.folder / "cases" / "one"
    place.mkdir(parents=True)
    for role, file in (("predicted", case.given.path), ("manual", case.plain.path)):
        suffix = next(s for s in (".seg.nrrd", ".nii.gz", ".nrrd", ".dcm") if file.name.endswith(s))
        (place / f"{role}{suffix}").write_bytes(file.read_bytes())
    for beside in case.given.path.parent.iterdir():
        if beside != case.given.path:
            (place / beside.name.replace("labels", "predicted")).write_bytes(beside.read_bytes())
    if case.given.option:
        names = {n: int(v) for n, v in (p.split("=") for p in case.given.option[1].split(","))}
        (place / "predicted.label").write_text("\n".join(f'{v} 1 1 1 1 1 1 "{n}"' for n, v in names.items()))
    case.run("liver", "cohort", case.folder / "cases", "-o", case.folder / "cases.csv", "-q")
    case.run("evaluate", "--paper", "gross2024", "--cases", case.folder / "cases", "-o", case.folder / "e", "-q")
    rows = list(csv.DictReader((case.folder / "cases.csv").open()))
    assert [float(v) for row in rows for k, v in row.items() if k.endswith("_dsc") and v] == [1.0] * 9
    return rows, list(csv.DictReader((case.folder / "e" / "cases.csv").open()))


def data_import(case: Case) -> Any:
    """What a network is to learn from."""
    table = case.folder / "table.csv"
    table.write_text(f"case,image,labels\none,{case.series},{case.given.path}\n")
    case.run("data", "import", table, "-o", case.folder / "data", "-q", *case.given.option)
    file = next((case.folder / "data").rglob("*labelsTr/*"))
    labels = images.orient(images.read_image(file), "LPS")
    return sorted(np.unique(images.array_of(labels), return_counts=True)[1].tolist())


def plan(case: Case) -> Any:
    """The liver is given; nothing is looked for in it."""
    nothing = ("--no-lesions", "--no-structures", "--no-segments", "-q")
    case.run("liver", "plan", case.series, "-o", case.folder / "plan", "--liver", _liver_alone(case), *nothing)
    return json.loads((case.folder / "plan" / "plan.json").read_text())["volumes_ml"]


def _liver_alone(case: Case) -> Path:
    """Numbers of others need an option that `plan` has not: then the liver is a mask."""
    if not case.given.option:
        return case.given.path
    labels = read_labels(case.given.path, parse_mapping(case.given.option[1])).labels
    return images.write_image(labels != 0, case.folder / "liver.nii.gz")


READERS: dict[str, tuple[Callable[[Case], Any], ...]] = {
    "liver volumetry": (volumetry, remnant),
    "liver margins": (margins,),
    "liver compare": (compare,),
    "liver cysts": (cysts,),
    "liver branches": (branches,),
    "liver candidates": (candidates,),
    "liver territories": (territories,),
    "liver truth add": (truth_add,),
    "liver cohort": (cohort,),
    "evaluate": (cohort,),
    "data import": (data_import,),
    "liver resections": (resections,),
    "liver radiomics": (radiomics,),
    "liver report": (report,),
    "liver measure": (measure,),
    "liver couinaud": (couinaud,),
    "liver plan": (plan,),
}
HEAVY = ("liver resections", "liver radiomics", "liver report", "liver measure", "liver couinaud", "liver plan")
"""They run networks or MIRP: in every run on the strangest form, on the others in the slow one."""
NO_LABELS = {
    **dict.fromkeys(("cohort run", "cohort tasks"), "run other commands"),
    **dict.fromkeys(("dicom find", "dicom fetch", "dicom store"), "sends and fetches files as they are"),
    "review": "a server",
    "data split": "a folder of data import",
    "demo": "plans an image",
    "evaluate-model": "paints a research anatomy of a coding of its own, which it checks",
    "train": "data sets of images, named by their dataset.json",
    "predict": "its region is read as a mask by the one reader",
    "liver radiomics-agreement": "tables",
    "liver truth new": "images",
    "liver truth list": "the list",
    "liver truth compare": "what truth add has stored",
    "liver truth consensus": "what truth add has stored",
    **dict.fromkeys(
        (f"liver truth {w}" for w in ("export", "review", "train", "training")), "what truth add has stored"
    ),
    **dict.fromkeys(("image info", "phantom liver", "phantom shoulder"), "images"),
    **dict.fromkeys(("models list", "models info", "models install", "models remove"), "models"),
    **dict.fromkeys(("models import", "models pack", "models join"), "models"),
    **dict.fromkeys(("cuff classify", "cuff train", "cuff study", "cuff evaluate"), "shoulders have no labels"),
    **dict.fromkeys(("cuff localize", "cuff localise"), "maps and boxes"),
}


def _without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in keys}


def _nameless(resection: dict[str, Any]) -> dict[str, Any]:
    """Files call their lesions by different names."""
    return {**resection, "lesions": [_without(lesion, "name") for lesion in resection["lesions"]]}


def _lesion_sizes(compared: dict[str, Any]) -> list[float]:
    return sorted(row["reference_ml"] for row in compared["lesions"])


class only_the_one_reader:
    """Fails where a file is opened by anything but `LiverPlannerLib.labels`."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __enter__(self) -> None:
        _watched.append(self.path)
        self._read = sitk.ReadImage
        sitk.ReadImage = lambda file, *rest, **more: (_look("open", (str(file),)), self._read(file, *rest, **more))[1]

    def __exit__(self, kind, error, trace) -> None:
        _watched.remove(self.path)
        sitk.ReadImage = self._read


_watched: list[str] = []


def _look(event: str, arguments: tuple) -> None:
    if event == "open" and _watched and str(arguments[0]) in _watched:
        frame = inspect.currentframe()
        files = []
        while frame is not None:
            files.append(frame.f_code.co_filename.replace("\\", "/"))
            frame = frame.f_back
        by_reader = any("/LiverPlannerLib/labels/" in name for name in files)
        by_test = not any("/LiverPlannerLib/" in name or "/PreopReviewLib/" in name for name in files)
        assert by_reader or by_test, f"{arguments[0]} was opened beside the one reader"


sys.addaudithook(_look)
