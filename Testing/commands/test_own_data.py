"""From a hospital's files to a model in use, for each of the five recipes, on small phantoms, by the command alone.

The commands are those of the section "Your own data" of the README; a test runs that section as it stands.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from patients import liver_patient, shoulder_patient

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
UNET = "network.arguments={spatial_dims: 3, in_channels: 1, out_channels: %d, channels: [4, 8], strides: [2]}"
SMALL = ["data.patch=[16, 16, 16]", "data.batch=2", "schedule.iterations=4", "validation.every=2"]
QUICK = {
    "oh2023": [UNET % 6, "data.spacing_mm=8.0"],
    "lin2024": [
        "network.arguments={spatial_dims: 3, in_channels: 1, out_channels: 2, kernel_size: [3, 3, 3], "
        "strides: [1, 2, 2], upsample_kernel_size: [2, 2], filters: [4, 8, 8], norm_name: instance, "
        "deep_supervision: true, deep_supr_num: 1}",
        "loss.scales=[0.5, 0.5]",
        "data.spacing_mm=8.0",
    ],
    "gross2024": [UNET % 2, "data.spacing_mm=8.0", "inference.window=[32, 32, 32]"],
    "five-structures": [
        "network.arguments={in_channels: 2, out_channels: 7, widths: [4, 8], block: 2}",
        "data.spacing_mm=6.0",
        "data.echo=1",
    ],
    "shim2020": ["network.arguments={blocks: 2, classes: 5, width: 4, stem_stride: 4, variant: corrected}"],
}
TEARS = ("none", "partial", "small", "medium", "large", "none")
STRUCTURES = {"lin2024": "liver,tumor", "gross2024": "liver"}


def export(folder: Path, recipe: str) -> list[object]:
    """Six patients as a hospital exports them, and what the import must be told of them."""
    if recipe == "shim2020":
        rows = ["patient,class"]
        for number, tear in enumerate(TEARS):
            shoulder_patient(folder / f"s{number}", number, tear)
            rows.append(f"PAT-{number},{tear}")
        (folder.parent / "classes.csv").write_text("\n".join(rows) + "\n")
        return ["--classes", folder.parent / "classes.csv"]
    for number in range(6):
        liver_patient(folder / f"x{number}", number, "ct" if recipe == "lin2024" else "hbp", 40, 5.0, everything=True)
    return ["--structures", STRUCTURES[recipe]] if recipe in STRUCTURES else []


def small(recipe: str, minutes: bool = False) -> list[str]:
    words = [w for word in [*SMALL, *QUICK[recipe]] for w in ("--set", word)]
    if recipe == "shim2020":
        words = [w for word in ["data.batch=2", "schedule.iterations=4", *QUICK[recipe]] for w in ("--set", word)]
    return [*words, "--workers", "0"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", QUICK)
def test_the_whole_road(preop, tmp_path, recipe):
    def must(*words: object) -> str:
        done = preop(*words)
        assert done.code == 0, (words, done.err)
        return done.out

    told = export(tmp_path / "export", recipe)
    data, run, model = tmp_path / "data", tmp_path / "run", tmp_path / "model"
    must("data", "import", tmp_path / "export", "-o", data, *told, "--simulated", "-q")
    counts = "5/0/1" if recipe == "shim2020" else "4/1/1"
    must("data", "split", data, "--counts", counts, *([] if recipe == "shim2020" else ["--seed", "1"]))

    must("train", "--recipe", recipe, "--data", data, "-o", run, *small(recipe), "--minutes", "0")
    assert (run / "best.pt").is_file(), "a best checkpoint from the first minute on"
    out = must("train", "--recipe", recipe, "--data", data, "-o", run, "--resume", "--workers", "0")
    assert "iteration 4" in out

    must("models", "pack", run, "-o", tmp_path / "first", "--name", "mine")
    must("predict", tmp_path / "first", data, "--part", "test", "-o", tmp_path / "predicted", "-q")
    paper = "oh2023" if recipe == "five-structures" else recipe
    extra = ["--data", data, "--predicted", tmp_path / "predicted", "-o", tmp_path / "figures"]
    must("evaluate", "--paper", paper, *extra, *([] if recipe == "shim2020" else ["-q"]))
    names = {p.name for p in (tmp_path / "figures").iterdir()}
    assert {"summary.md", "figures.json"} <= names
    assert any(n.startswith(f"{paper}_table" if paper != "gross2024" else "gross2024_dice") for n in names)

    must("models", "pack", run, "-o", model, "--name", "mine", "--license", "CC-BY-4.0",
         "--figures", tmp_path / "figures" / "figures.json")  # fmt: skip
    card = (model / "docs" / "README.md").read_text()
    assert "simulated (synthesized) images" in card
    assert "CC-BY-4.0" in card
    assert re.search(r"\| .* \| \d\.\d{3} \| .* \| 1 \|", card), "what was measured, on how many cases"
    assert "PAT-" not in card
    assert str(tmp_path) not in card + (model / "configs" / "metadata.json").read_text()
    use(must, recipe, model, tmp_path)


def use(must, recipe: str, model: Path, tmp_path: Path) -> None:
    """The model draws or classifies a new patient's DICOM series."""
    scan = tmp_path / "export" / ("s0" if recipe == "shim2020" else "x0") / "series"
    if recipe == "shim2020":
        out = must("cuff", "classify", scan, "-o", tmp_path / "answer", "--model", model, "--no-pictures", "-q")
        assert "Learned from simulated images only" in out
        assert "synthetic shoulders only" in (tmp_path / "answer" / "report.html").read_text()
        said = json.loads((tmp_path / "answer" / "probabilities.json").read_text())
        assert sum(said["probabilities"].values()) == pytest.approx(1)
        with (tmp_path / "predicted" / "predictions.csv").open() as file:
            assert len(list(csv.DictReader(file))) == 1
    elif recipe != "five-structures":
        must("predict", model, scan, "-o", tmp_path / "drawn", "-q")
        labels = json.loads((tmp_path / "drawn" / "labels.json").read_text())
        assert "learned from simulated images, not validated on patients" in json.dumps(labels)
        assert "liver" in labels["labels"]
    assert "mine" in must("models", "info", model)


@pytest.mark.slow
def test_folds_are_trained_apart_and_predict_together(preop, tmp_path):
    told = export(tmp_path / "export", "gross2024")
    data = tmp_path / "data"
    assert preop("data", "import", tmp_path / "export", "-o", data, *told, "-q").code == 0
    assert preop("data", "split", data, "--folds", 2, "--test", 0.3).code == 0
    for fold in (0, 1):
        run = tmp_path / f"run{fold}"
        words = ["train", "--recipe", "gross2024", "--data", data, "--fold", fold, "-o", run, *small("gross2024")]
        assert preop(*words).code == 0
        assert preop("models", "pack", run, "-o", tmp_path / f"fold{fold}").code == 0
    both = f"{tmp_path / 'fold0'},{tmp_path / 'fold1'}"
    done = preop("predict", both, data, "--part", "test", "-o", tmp_path / "predicted", "-q")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "predicted").glob("*.seg.nrrd"))) == 2
    assert "does not say whether they are real" in (tmp_path / "fold0" / "docs" / "README.md").read_text()
    done = preop("predict", tmp_path / "fold0", data, "--part", "tests", "-o", tmp_path / "other", "-q")
    assert (done.code, done.err.count("\n")) == (10, 1)


@pytest.mark.slow
def test_the_section_of_the_readme_runs_as_it_stands(preop, tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## Your own data") :]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)[1]
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [c[1] for c in commands if c[:1] == ["preop"]][:4] == ["data", "data", "train", "models"]
    export(tmp_path / "export", "oh2023")
    monkeypatch.chdir(tmp_path)
    for command in commands:
        # Only the size is another one: networks and steps that a test has time for.
        extra = (
            small("oh2023") if command[1] == "train" else ["--seed", "1"] if command[1:3] == ["data", "split"] else []
        )
        done = preop(*command[1:], *extra)
        assert done.code == 0, (command, done.err)
    assert (tmp_path / "figures" / "oh2023_manual_beside_automatic.png").stat().st_size > 10_000
    assert (tmp_path / "drawn" / "series.seg.nrrd").is_file()
