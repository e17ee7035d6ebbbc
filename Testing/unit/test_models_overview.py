"""What is said of the models, also where nothing is installed yet."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from PreopReviewLib.errors import InputError
from PreopReviewLib.models import catalog
from PreopReviewLib.models.overview import card, models_with_network, overview


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path))
    return tmp_path


def package(folder, text: str) -> None:
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "metadata.json").write_text(text, encoding="utf-8")


def test_every_known_model_is_named_with_what_may_be_said_of_it(models):
    notes = {n.name: n for n in overview()}
    assert notes["kuleuven-liver"].state == "not installed"
    assert notes["kuleuven-lesion"].training == "Not said in the package."
    own = notes["five-structures-synthetic"]
    assert own.state == "built-in"
    assert "Not validated on patients" in own.intended_use
    assert "synthesized images only" in own.training


def test_an_installed_model_speaks_for_itself(models):
    package(models / "mine", json.dumps({"version": "2", "description": "My own.", "training": {"data": "40 cases"}}))
    (mine,) = [n for n in overview() if n.name == "mine"]
    assert (mine.state, mine.version, mine.description, mine.training) == ("installed", "2", "My own.", "40 cases")


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_package_is_broken_and_harms_no_other(models, text):
    package(models / "bad", text)
    notes = {n.name: n.state for n in overview()}
    assert notes["bad"] == "broken"
    assert len(notes) >= 4


def test_without_the_packages_there_are_the_built_in_and_the_known_ones(monkeypatch):
    def missing():
        raise ModuleNotFoundError("platformdirs")

    monkeypatch.setattr(catalog, "models_folder", missing)
    names = {n.name for n in overview()}
    assert {"kuleuven-liver", "kuleuven-lesion", "five-structures-synthetic"} <= names


def test_it_needs_no_heavy_package():
    code = (
        "import sys\n"
        "from PreopReviewLib.models.overview import card, models_with_network, overview\n"
        "overview()\n"
        "print([m for m in ('torch', 'monai', 'safetensors', 'h5py') if m in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"


def test_models_are_chosen_by_their_network_and_a_broken_folder_is_no_choice(tmp_path, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path))
    (tmp_path / "broken" / "configs").mkdir(parents=True)
    (tmp_path / "broken" / "configs" / "metadata.json").write_text("{")
    assert list(models_with_network("VRN")) == ["tear-synthetic"]
    assert models_with_network("NoSuchNetwork") == {}


def test_every_model_of_a_plan_has_a_card_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path))
    for name in ("kuleuven-liver", "kuleuven-lesion", "five-structures-synthetic", "tear-synthetic"):
        assert name.split("-")[0].lower() in card(name).lower().replace(" ", "")
    with pytest.raises(InputError, match="no model"):
        card("elsewhere")
