"""The catalog: listing, installing and removing in a folder of its own; the KU Leuven wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from test_models_package import ARGUMENTS, metadata

from PreopReviewLib import models
from PreopReviewLib.errors import ModelCorrupt, ModelError, ModelUnavailable, OutputError, OutputExists
from PreopReviewLib.models import kuleuven, networks


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    state = networks.build("UNet", ARGUMENTS).state_dict()
    return models.write_package(tmp_path / "source" / "small", metadata(), state, "# small\n", "license").folder


def states() -> dict[str, str]:
    return {e.name: e.state for e in models.list_models()}


def test_nothing_is_installed_in_an_empty_folder() -> None:
    assert states()["kuleuven-liver"] == "not installed"
    with pytest.raises(ModelUnavailable, match="preop models install kuleuven-liver"):
        models.find_package("kuleuven-liver")


def test_a_package_folder_is_installed_found_and_removed(source: Path, folder: Path) -> None:
    models.install("mine", source)
    assert states()["mine"] == "installed"
    assert models.find_package("mine").folder == folder / "mine"
    models.remove("mine")
    assert "mine" not in states()
    assert list(folder.iterdir()) == []


def test_a_zip_of_a_package_is_installed(source: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", source.parent)
    assert models.install("mine", archive).load_network() is not None


def test_installing_again_replaces_if_told_so_and_failing_leaves_the_old(
    source: Path, folder: Path, tmp_path: Path
) -> None:
    models.install("mine", source)
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"no zip")
    with pytest.raises(ModelCorrupt):
        models.install("mine", bad, overwrite=True)
    assert [p.name for p in folder.iterdir()] == ["mine"]
    with pytest.raises(OutputExists, match="mine"):
        models.install("mine", source)
    assert models.install("mine", source, overwrite=True).name == "small"


def test_a_zip_without_a_package_is_refused(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ModelError, match="0 model packages"):
        models.install("mine", tmp_path / "x.zip")
    assert list(folder.iterdir()) == []


def test_a_wrong_wheel_is_refused_and_leaves_nothing(tmp_path: Path, folder: Path) -> None:
    wheel = tmp_path / kuleuven.WHEEL
    wheel.write_bytes(b"PK not the wheel")
    with pytest.raises(ModelCorrupt, match="SHA-256"):
        models.install("kuleuven-liver", wheel)
    assert list(folder.iterdir()) == []


def test_no_network_and_no_model_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for key in ("PIP_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(key, "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with pytest.raises(ModelUnavailable, match="from a file"):
        models.install("kuleuven-liver")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", "", ".hidden", "a/b"])
def test_names_that_lead_elsewhere_are_refused(name: str, source: Path) -> None:
    with pytest.raises(ModelError):
        models.install(name, source)


def test_unknown_models_are_model_errors() -> None:
    for act in (models.find_package, models.install, models.remove):
        with pytest.raises(ModelError):
            act("no-such-model")


def test_a_models_folder_that_cannot_be_made_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(OutputError, match="PREOP_MODELS"):
        models.install("mine", source)


def test_a_broken_package_is_listed_as_broken(source: Path, folder: Path) -> None:
    models.install("mine", source)
    (folder / "mine" / "LICENSE").unlink()
    entry = next(e for e in models.list_models() if e.name == "mine")
    assert entry.state == "broken"
    assert "LICENSE" in entry.problem


def test_looking_at_models_does_not_import_torch() -> None:
    code = (
        "import sys, PreopReviewLib.models as m, PreopReviewLib.inference, LiverPlannerLib.segmentation.liver, "
        "LiverPlannerLib.segmentation.lesions; m.list_models(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
