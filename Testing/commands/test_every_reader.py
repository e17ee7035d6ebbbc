"""Whatever form labels come in, every command that reads them gives the same numbers, and none reads them by itself.

`READERS` and `NO_LABELS` together name every command there is: a new command must be put into one of them.
"""

from __future__ import annotations

import ast
import csv
import inspect
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import label_matrix as matrix
import numpy as np
import pytest
import SimpleITK as sitk
from label_matrix import Form, Written

from LiverPlannerLib.labels import parse_mapping, read_labels
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[2]
PLANE = "--plane=19,5,60,1,0.2,0.1"  # cuts liver and lesions
PLAIN = Form(numbering="header")
"""What the others are compared with: NIfTI on the series' own grid, with names in its header."""


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
    found = case.json("liver", "volumetry", case.given.path, PLANE)
    return found["measures"], _nameless(found["resection"])


def remnant(case: Case) -> Any:
    """The plane's remnant as a file, on the grid of whatever labels there are."""
    case.run("liver", "volumetry", case.plain.path, PLANE, "-o", case.folder / "plane")
    file = case.folder / "plane" / "remnant.nii.gz"
    return case.json("liver", "volumetry", case.given.path, "--remnant", file)["measures"]


def margins(case: Case) -> Any:
    found = case.json("liver", "margins", case.given.path, PLANE)
    return (
        [_without(row, "name") for row in found["lesions"]],
        found["smallest_margin_mm"],
        _nameless(found["resection"]),
    )


def compare(case: Case) -> Any:
    """Both ways against the plain file: nothing may differ."""
    known = [word.replace("--labels", "--manual-labels") for word in case.given.option]
    one = json.loads(case.run("liver", "compare", case.plain.path, case.given.path, "--json", *known))
    two = case.json("liver", "compare", case.given.path, case.plain.path, "--manual-labels", _NAMES)
    for found in (one, two):
        assert all(row["dsc"] == 1 and row["hd_mm"] == 0 and row["vd_ml"] == 0 for row in found["structures"])
        assert {row["outcome"] for row in found["lesions"]} == {"matched"}
    return [(r["structure"], r["reference_ml"]) for r in one["structures"]], _lesion_sizes(one)


_NAMES = "liver=5,portal_vein=64,hepatic_vein=7,cyst=2,Tumor 1=11,HCC S8=12,Metastasis 3=13"


def cysts(case: Case) -> Any:
    case.run(
        "liver", "cysts", case.series, case.given.path, "-o", case.folder / "cysts", "--figures=0", *case.given.option
    )
    found = json.loads((case.folder / "cysts" / "regions.json").read_text())
    labels = images.array_of(images.read_image(case.folder / "cysts" / "labels.nii.gz"))
    return [_without(r, "name") for r in found["regions"]], labels.tobytes()


def branches(case: Case) -> Any:
    return case.json("liver", "branches", case.given.path, "-o", case.folder / "branches")["trees"]


def candidates(case: Case) -> Any:
    """None here; accepting one would write the labels as they were read."""
    return case.json("liver", "candidates", case.given.path)["candidates"]


def territories(case: Case) -> Any:
    found = case.json("liver", "territories", case.given.path, "-o", case.folder / "territories", "--no-segments")
    return found["territories"], found["branches"]


def resections(case: Case) -> Any:
    found = case.json("liver", "resections", case.given.path, "-o", case.folder / "resections", PLANE)
    return found["resections"]


def couinaud(case: Case) -> Any:
    found = case.json("liver", "couinaud", case.given.path, "-o", case.folder / "couinaud", "-q")
    return found["liver_ml"], len(found["lesions"])


def radiomics(case: Case) -> Any:
    found = case.json("liver", "radiomics", case.series, case.given.path, "-o", case.folder / "radiomics", "-q")
    return found["structures"]


def measure(case: Case) -> Any:
    place = case.folder / "measure"
    arguments = ("--manual", case.given.path, PLANE, "--no-radiomics", *case.given.option)
    case.run("liver", "measure", case.series, case.given.path, "-o", place, *arguments)
    rows = [list(csv.reader(p.open())) for p in sorted(place.rglob("*.csv")) if p.parent.name != "branches"]
    return [_without_names(table) for table in rows]


def _without_names(table: list[list[str]]) -> list[list[str]]:
    """Files call their lesions by different names, and some by none."""
    return [[cell for cell in row if cell != "name" and not cell.startswith(matrix.LESIONS)] for row in table]


def report(case: Case) -> Any:
    place = case.folder / "report"
    place.mkdir()
    page = place / "page.html"
    found = case.json("liver", "report", case.series, case.given.path, "-o", page, "-q", PLANE)
    tables = {p.name: list(csv.reader(p.open())) for p in place.glob("*.csv") if "segments" not in p.name}
    assert "page_lesions.csv" in tables
    return found["volumes_ml"], found["not_measured"], {n: _without_names(t) for n, t in tables.items()}


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


def _differences(a: Any, b: Any, where: str = "") -> Iterator[str]:
    """Where two results differ by more than the order of summation can explain."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from _differences(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        for number, (one, two) in enumerate(zip(a, b, strict=True)):
            yield from _differences(one, two, f"{where}/{number}")
    elif _number(a) is not None and _number(b) is not None:
        if _number(a) != pytest.approx(_number(b), rel=1e-6, abs=1e-6):
            yield f"{where}: {a} for {b}"
    elif a != b:
        yield f"{where}: {str(a)[:80]} for {str(b)[:80]}"


def _number(value: Any) -> float | None:
    """A number, or a text that is one; the words around the numbers of a text are compared as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None


def _without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in keys}


def _nameless(resection: dict[str, Any]) -> dict[str, Any]:
    """Files call their lesions by different names."""
    return {**resection, "lesions": [_without(lesion, "name") for lesion in resection["lesions"]]}


def _lesion_sizes(found: dict[str, Any]) -> list[float]:
    return sorted(row["reference_ml"] for row in found["lesions"])


# ---- the forms ----

TURNS = (
    ((0, 1, 2), (False, False, False)),
    ((0, 1, 2), (True, True, False)),
    ((2, 0, 1), (False, True, True)),
    ((1, 2, 0), (True, False, True)),
)
NUMBERINGS = ("ours", "header", "dataset", "itksnap", "colors", "option")


def possible(form: Form) -> bool:
    """Some things cannot be said in every format."""
    if form.kind == "dicom":  # a SEG lies on the grid of its series, without its empty frames
        return form.numbering == "ours" and form.extent == "whole" and (form.order, form.flips) == TURNS[0]
    if form.kind == "seg.nrrd":
        return form.numbering == "ours"
    return not (form.numbering == "ours" and form.apart) and not (form.kind == "nrrd" and form.numbering == "header")


ALL_FORMS = [
    form
    for kind, turn, extent, numbering, apart in itertools.product(
        ("nifti", "nrrd", "seg.nrrd", "dicom"), TURNS, ("whole", "cropped", "padded"), NUMBERINGS, (False, True)
    )
    if possible(form := Form(kind, *turn, extent, numbering, apart))
]


def pairwise(forms: list[Form]) -> list[Form]:
    """As few forms as hold every pair of properties that any form has, chosen greedily in order."""
    wanted = [set(itertools.combinations(list(enumerate(_properties(f))), 2)) for f in forms]
    missing, chosen = set().union(*wanted), []
    while missing:
        best = max(range(len(forms)), key=lambda n: len(wanted[n] & missing))
        chosen.append(forms[best])
        missing -= wanted[best]
    return chosen


def _properties(form: Form) -> tuple[Any, ...]:
    return form.kind, (form.order, form.flips), form.extent, form.numbering, form.apart


STRANGEST = Form("seg.nrrd", *TURNS[2], "cropped", "ours", True)
FEW = [STRANGEST, Form("dicom", apart=True), Form("nifti", *TURNS[1], "padded", "option", True)]
QUICK = [name for name in READERS if name not in (*HEAVY, "evaluate")]  # cohort asks evaluate, too


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return matrix.write_series(tmp_path_factory.mktemp("matrix") / "ct")


@pytest.fixture(scope="module")
def plain_files(series, tmp_path_factory):
    """The file that all are compared with, lesions together and apart."""
    place = tmp_path_factory.mktemp("plain")
    return {apart: matrix.write(replace(PLAIN, apart=apart), place / str(apart), series) for apart in (False, True)}


@pytest.fixture(scope="module")
def expected():
    """What each command says of the plain file, kept for the other forms."""
    return {}


@pytest.fixture
def run(preop):
    def call(*arguments: object) -> str:
        ran = preop(*arguments)
        assert ran.code == 0, ran.err
        return ran.out

    return call


def _check(name: str, form: Form, run, series, plain_files, expected, tmp_path) -> None:
    plain = plain_files[form.apart]
    given = matrix.write(form, tmp_path / "given", series)
    for number, ask in enumerate(READERS[name]):
        key = (name, number, form.apart)
        if key not in expected:
            place = tmp_path / f"plain{number}"
            place.mkdir()
            expected[key] = ask(Case(run, series, plain, plain, place))
        place = tmp_path / f"place{number}"
        place.mkdir()
        with only_the_one_reader(given.path):
            found = ask(Case(run, series, given, plain, place))
        assert list(_differences(found, expected[key])) == [], f"{name}: {form}"


@pytest.mark.parametrize("form", FEW, ids=str)
@pytest.mark.parametrize("name", QUICK)
def test_every_command_gives_the_same_numbers_in_every_form(name, form, run, series, plain_files, expected, tmp_path):
    _check(name, form, run, series, plain_files, expected, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY)
def test_the_slower_commands_too_in_the_strangest_form(name, run, series, plain_files, expected, tmp_path):
    _check(name, STRANGEST, run, series, plain_files, expected, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("form", pairwise(ALL_FORMS), ids=str)
def test_every_pair_of_properties_in_every_command(form, run, series, plain_files, expected, tmp_path):
    for name in READERS:
        if name not in ("liver plan", "liver measure", "liver couinaud", "evaluate"):
            place = tmp_path / name.replace(" ", "-")
            place.mkdir()
            _check(name, form, run, series, plain_files, expected, place)


def test_the_one_reader_gives_the_same_voxels_in_every_form_there_is(series, plain_files, tmp_path):
    image = images.read_image(series)
    want = {apart: read_labels(file.path).onto(image) for apart, file in plain_files.items()}
    assert [int((images.array_of(want[True].labels) == v).sum()) for v in (2, 3, 4, 5)] == [302, 95, 63, 198]
    for number, form in enumerate(ALL_FORMS):
        file = matrix.write(form, tmp_path / str(number), series)
        found = read_labels(file.path, parse_mapping(file.option[1]) if file.option else None).onto(image)
        assert np.array_equal(images.array_of(found.labels), images.array_of(want[form.apart].labels)), form
        sizes = [] if found.lesions is None else sorted(np.bincount(found.lesions.array.ravel())[1:].tolist())
        assert sizes == ([33, 95, 119, 150] if form.apart else []), form


def test_a_segmentation_in_a_folder_or_without_its_preamble_is_the_same_one(series, tmp_path):
    file = matrix.write(Form("dicom"), tmp_path / "one", series)
    want = images.array_of(read_labels(file.path).labels)
    assert np.array_equal(images.array_of(read_labels(tmp_path / "one").labels), want)
    bare = tmp_path / "two" / "seg"
    bare.parent.mkdir()
    bare.write_bytes(file.path.read_bytes()[132:])
    assert np.array_equal(images.array_of(read_labels(bare).labels), want)
    with pytest.raises(InputError, match=r"holds 2 DICOM segmentations.*labels\.dcm"):
        read_labels(tmp_path)


def test_a_liver_that_is_named_as_such_is_no_lesion_mask(series, run, tmp_path):
    grid = images.read_image(series)
    codes = [("SCT", "123037004", "Anatomical Structure"), ("SCT", "10200004", "Liver")]
    mask = images.CodedMask("Liver", images.image_like(matrix.phantom()["liver"].astype(np.uint8), grid), *codes)
    file = images.write_dicom_segmentation([mask], images.list_series(series)[0], tmp_path / "liver.dcm")
    said = run("liver", "cysts", series, file, "-o", tmp_path / "out", "--figures=0")
    assert "There is no lesion" in said
    assert json.loads((tmp_path / "out" / "regions.json").read_text())["regions"] == []


@pytest.mark.parametrize("kind", ["dicom", "seg.nrrd"])
def test_a_mapping_of_a_segmentation_names_its_segments_by_number(kind, series, tmp_path):
    file = matrix.write(Form(kind, apart=True), tmp_path / "given", series)
    read = read_labels(file.path, {1: "liver", 2: "cyst"})
    assert read.how == "by the mapping given: liver=1,cyst=2"
    assert int((images.array_of(read.labels) == 3).sum()) == 119, "Tumor 1, as a cyst"
    assert len(read.unknown) == 6
    with pytest.raises(InputError, match="does not name: 1 liver"):
        read_labels(file.path, {77: "liver"})


# ---- no reader beside the one reader ----


def _commands() -> dict[str, list[str]]:
    from typer.main import get_command

    from preopreview.cli import app

    def walk(command, path=()):
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, (*path, name))
        else:
            yield " ".join(path), [p.name for p in command.params]

    return dict(walk(get_command(app)))


def test_every_command_is_known_to_read_labels_or_not_to():
    commands = _commands()
    assert set(commands) == set(READERS) | set(NO_LABELS), "put a new command into READERS or NO_LABELS"
    asks = {"labels", "auto", "manual", "remnant", "liver", "values"}
    assert [name for name in NO_LABELS if asks & set(commands[name])] == []


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

ELSEWHERE = {
    "LiverPlanner/LiverPlannerLib/couinaud/maps.py": "training data with a coding of its own",
    "LiverPlanner/LiverPlannerLib/ground_truth/work_list.py": "what we stored ourselves, in our own numbers",
    "LiverPlanner/LiverPlannerLib/ground_truth/export.py": "undecided voxels that we stored ourselves",
    "LiverPlanner/LiverPlannerLib/ground_truth/tasks.py": "what we stored ourselves",
    "LiverPlanner/LiverPlannerLib/panels/samples.py": "segments of our own sample",
    "LiverPlanner/LiverPlannerLib/segmentation/five_evaluation.py": "a research anatomy whose coding is checked",
    "PreopReview/PreopReviewLib/training/image_data.py": "training data, named by their dataset.json",
    "PreopReview/PreopReviewLib/models/totalsegmentator.py": "its own networks' files, by its own names",
    "PreopReview/PreopReviewLib/training/painted_data.py": "IMAGE:LABELS:VALUES says which values",
    "PreopReview/PreopReviewLib/pacs/objects.py": "pictures",
    "PreopReview/PreopReviewLib/phantoms/shape_files.py": "FILE:VALUE says which value",
    "PreopReview/PreopReviewLib/cohort/thumbnails.py": "outlines of whatever values there are",
    "PreopReview/PreopReviewLib/datasets/importing.py": "what it has written itself",
    "PreopReview/PreopReviewLib/datasets/parts.py": "training data, named by their dataset.json",
    "PreopReview/PreopReviewLib/datasets/sources.py": "the grid alone",
    "PreopReview/PreopReviewLib/images/__init__.py": "exports",
    "PreopReview/PreopReviewLib/images/reading.py": "the file formats",
    "PreopReview/PreopReviewLib/images/label_headers.py": "the file formats",
    "PreopReview/PreopReviewLib/images/dicom_pixels.py": "the file formats",
    "PreopReview/PreopReviewLib/images/dicom_segmentation.py": "the file formats",
    "PreopReview/PreopReviewLib/scene/files.py": "a whole scene, checked before MRML reads it",
    "PreopReview/preopreview/__init__.py": "exports",
}
READING = {"read_labels", "read_mask", "ReadImage", "ImageFileReader", "read_dicom_segmentation", "read_nrrd_layers"}
READING |= {"imread", "nib", "nibabel", "nrrd"}


def test_nothing_else_in_the_code_reads_label_files():
    strange = {}
    for library in ("LiverPlanner", "PreopReview", "RotatorCuffCAM"):
        for path in sorted((REPOSITORY / library).rglob("*.py")):
            name = path.relative_to(REPOSITORY).as_posix()
            if name in ELSEWHERE or "/labels/" in name or "/Testing/" in name:
                continue
            if found := _own_readers(ast.parse(path.read_text(encoding="utf-8"))):
                strange[name] = sorted(found)
    assert strange == {}, "read labels by LiverPlannerLib.labels"


def _own_readers(tree: ast.Module) -> set[str]:
    """Names of readers that are used, but for those imported from `LiverPlannerLib.labels`."""
    ours, found = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {a.asname or a.name for a in node.names}
            ours |= names if (node.module or "").startswith("LiverPlannerLib.labels") else set()
            found |= {a.name for a in node.names if a.name in READING}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[0] for a in node.names} & READING
        elif isinstance(node, ast.Attribute) and node.attr in READING:
            found.add(node.attr)
    return found - ours
