"""`preop models` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from PreopReviewLib.command.models import register
from PreopReviewLib.errors import ModelCorrupt, ModelError


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path / "models"))
    app = typer.Typer()
    register(app)
    return lambda *words: CliRunner().invoke(app, ["models", *words])


def test_the_list_is_readable_as_json_and_as_a_table(run) -> None:
    data = json.loads(run("list", "--json").stdout)
    assert {"kuleuven-liver", "kuleuven-lesion"} <= {m["name"] for m in data["models"]}
    assert data["folder"].endswith("models")
    assert "not installed" in run("list").stdout


def test_info_of_a_model_that_is_not_installed_says_how_to_install_it(run) -> None:
    error = run("info", "kuleuven-liver").exception
    assert isinstance(error, ModelError)
    assert "preop models install kuleuven-liver" in str(error)
    assert error.exit_code == 31


def test_a_corrupted_wheel_has_its_own_exit_code(run, tmp_path: Path) -> None:
    wheel = tmp_path / "x.whl"
    wheel.write_bytes(b"0")
    error = run("install", "kuleuven-liver", "--from", str(wheel), "-q").exception
    assert isinstance(error, ModelCorrupt)
    assert error.exit_code == 32
    assert not list((tmp_path / "models").iterdir())


def test_a_missing_file_and_an_unknown_model_are_model_errors(run) -> None:
    assert "no file" in str(run("install", "kuleuven-liver", "--from", "/no/such.whl").exception)
    assert isinstance(run("remove", "kuleuven-liver").exception, ModelError)


def test_a_package_cannot_be_joined_with_one_of_another_form(run, tmp_path: Path) -> None:
    models = Path(__file__).parents[2] / "Resources" / "Models"
    given = [str(models / name) for name in ("tear-synthetic", "five-structures-synthetic")]
    error = run("join", *given, "-o", str(tmp_path / "both")).exception
    assert isinstance(error, ModelError)
    assert "differs" in str(error)
    assert not (tmp_path / "both").exists()
