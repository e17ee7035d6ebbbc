"""`preop liver branches`: images, trees, table, figure, overrides, and bad input with its exit code."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk
import typer

from LiverPlannerLib.commands import branches, cysts
from PreopReviewLib import images
from PreopReviewLib.command.console import run


@pytest.fixture
def liver(capsys, monkeypatch):
    """Calls a command: `liver("branches", ...)` gives (code, out, err)."""
    app = typer.Typer()
    for group in (cysts, branches):
        group.register(app)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["preop liver", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            run(app)
            raise SystemExit(0)
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return call


@pytest.fixture
def labels(tmp_path):
    """A liver with a portal vein (a trunk of 9 x 9 and a side branch of 2 x 2 voxels) and a straight duct."""
    array = np.zeros((50, 50, 50), np.uint8)
    array[4:46, 4:46, 4:46] = 1
    array[0:44, 20:29, 20:29] = 5
    array[24:26, 24:26, 28:45] = 5
    array[10:40, 10:12, 10:12] = 6
    path = tmp_path / "labels.nii.gz"
    images.write_image(sitk.GetImageFromArray(array), path)
    return path


def test_it_writes_images_trees_tables_and_figures_of_what_is_there(liver, labels, tmp_path):
    code, out, err = liver("branches", labels, "-o", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "Hepatic vein" in out  # absent, and said so
    assert "n/a" in out
    names = {f.name for f in (tmp_path / "out").iterdir() if not f.name.startswith(".")}
    assert names == {
        f"{key}{end}"
        for key in ("portal_vein", "bile_duct")
        for end in ("_branches.nii.gz", "_main.nii.gz", ".json", ".csv", ".png")
    }
    main = images.array_of(images.read_labels(tmp_path / "out" / "portal_vein_main.nii.gz"))
    mask = images.array_of(images.read_labels(labels)) == 5
    assert np.array_equal(main > 0, mask)
    assert main[10, 24, 24] == 1
    assert main[25, 24, 42] == 2
    rows = list(csv.DictReader((tmp_path / "out" / "portal_vein.csv").open(encoding="utf-8")))
    assert rows[0]["parent"] == ""
    assert float(rows[0]["radius_mm"]) == pytest.approx(5, abs=0.7)


def test_one_structure_as_json(liver, labels, tmp_path):
    code, out, _ = liver("branches", labels, "-o", tmp_path / "out", "--structure", "bile_duct", "--json")
    data = json.loads(out)
    assert code == 0
    assert [t["structure"] for t in data["trees"]] == ["bile_duct"]
    assert data["absent"] == []


def test_an_override_reaches_the_images(liver, labels, tmp_path):
    _, out, _ = liver("branches", labels, "-o", tmp_path / "a", "--structure", "portal_vein", "--json")
    side = next(b["id"] for b in json.loads(out)["trees"][0]["branches"] if not b["main"])
    for number, words in enumerate((f"portal_vein:{side}=main", f"{side}=main")):
        folder = tmp_path / f"b{number}"
        code, _, _ = liver("branches", labels, "-o", folder, "--structure", "portal_vein", "--override", words)
        assert code == 0
        main = images.array_of(images.read_labels(folder / "portal_vein_main.nii.gz"))
        assert main[25, 24, 42] == 1


@pytest.mark.parametrize(
    "words", ["4=main", "portal_vein:x=main", "aorta:1=main", "portal_vein:99=main", "bile_duct:1=thick"]
)
def test_an_override_that_means_nothing_exits_with_10(liver, labels, tmp_path, words):
    code, _, err = liver("branches", labels, "-o", tmp_path / "out", "--override", words)
    assert code == 10
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_override_of_an_absent_structure_exits_with_10(liver, labels, tmp_path):
    code, _, err = liver("branches", labels, "-o", tmp_path / "out", "--override", "hepatic_vein:1=main")
    assert code == 10
    assert "hepatic_vein" in err


def test_a_file_without_the_structure_exits_with_3(liver, labels, tmp_path):
    code, _, err = liver("branches", labels, "-o", tmp_path / "out", "--structure", "hepatic_vein")
    assert code == 3
    assert "hepatic_vein" in err


def test_an_absurd_alpha_and_a_missing_file_have_their_codes(liver, labels, tmp_path):
    assert liver("branches", labels, "-o", tmp_path / "out", "--alpha", 7)[0] == 10
    assert liver("branches", tmp_path / "none.nii", "-o", tmp_path / "out")[0] == 11
