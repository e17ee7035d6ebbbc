"""What can be known of the Python packages without a window, and how pip is told where to take them from."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import packaging.version  # noqa: F401  (before the search path is emptied)
import pytest

from PreopReviewLib import installation
from PreopReviewLib.errors import PreopError

DEFAULT_FOLDER = r"C:\Users\surgeon.name\AppData\Local\slicer.org\3D Slicer 5.12.3\lib\Python\Lib\site-packages"


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder for packages; a function that installs a torch of a version there, in part if asked."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)

    def install(version: str, whole: bool = True, record: bool = True) -> None:
        files = ["torch/__init__.py", "torch/version.py", "torch/lib/libtorch_cpu.so"]
        for name in files if whole else files[1:]:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        info = tmp_path / f"torch-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        if record:
            (info / "RECORD").write_text("\n".join(f"{name},," for name in files))

    return install


def test_no_torch_is_absent(site):
    assert installation.torch_state() == "absent"


def test_a_whole_torch_is_good_unless_it_is_old(site):
    site("2.13.0+cu129")
    assert installation.torch_state() == "good"
    assert installation.torch_state("3.0") == "old"


@pytest.mark.parametrize("how", [{"whole": False}, {"record": False}])
def test_a_torch_without_all_of_its_files_is_broken(site, how):
    site("2.13.0", **how)
    assert installation.torch_state() == "broken"


def test_a_folder_that_only_looks_like_torch_is_broken(site, tmp_path):
    (tmp_path / "torch" / "lib").mkdir(parents=True)
    assert installation.torch_state() == "broken"


def test_the_torch_of_this_environment_is_good_and_answers():
    assert installation.torch_state() == "good"
    assert "torch" in (metadata.distribution("torch").read_text("RECORD") or "")


def test_a_python_whose_torch_fails_says_why(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libc10.so: cannot open')\n")
    shim = tmp_path / "python"
    shim.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {sys.executable} "$@"\n')
    shim.chmod(0o755)
    assert "libc10.so: cannot open" in installation.torch_answers(str(shim))
    assert "No such file" in installation.torch_answers(str(tmp_path / "nowhere"))


def test_slicer_s_default_folder_on_windows_gets_a_torch_with_short_paths():
    assert installation.torch_requirement(DEFAULT_FOLDER, windows=True) == "torch>=2.4,<2.13"
    assert installation.torch_requirement(r"C:\Slicer\lib\Python\Lib\site-packages", windows=True) == "torch>=2.4"
    assert installation.torch_requirement("/" + "x" * 400, windows=False) == "torch>=2.4"


def test_a_folder_that_is_too_deep_for_any_torch_is_told():
    with pytest.raises(PreopError, match=r"short name, such as C:\\Slicer"):
        installation.torch_requirement("C:\\" + "deep\\" * 40, windows=True)


def test_what_is_bundled_is_held_by_the_constraints():
    lines = installation.constraints().splitlines()
    assert f"SimpleITK==={metadata.version('SimpleITK')}" in lines
    assert f"torch==={metadata.version('torch')}" in lines


def test_variables_last_as_long_as_the_block(monkeypatch):
    monkeypatch.setenv("PREOP_A", "before")
    with pytest.raises(KeyError), installation.environment_with({"PREOP_A": "1", "PREOP_B": "2"}):
        assert (os.environ["PREOP_A"], os.environ["PREOP_B"]) == ("1", "2")
        raise KeyError
    assert os.environ["PREOP_A"] == "before"
    assert "PREOP_B" not in os.environ


def test_an_offline_folder_must_hold_wheels(tmp_path):
    assert installation.offline_variables("") == {}
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(installation.PackagesMissing, match="holds no wheels"):
            installation.offline_variables(folder)


def wheel(folder: Path) -> None:
    """The smallest wheel there is."""
    with zipfile.ZipFile(folder / "preop_sample-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("preop_sample.py", "")
        info = "preop_sample-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: preop-sample\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def test_pip_takes_wheels_from_a_folder_with_blanks_in_its_name(tmp_path):
    folder = tmp_path / "John Smith’s wheels"
    folder.mkdir()
    wheel(folder)
    variables = os.environ | installation.offline_variables(folder)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(tmp_path / "out")]
    ran = subprocess.run([*command, "preop-sample"], env=variables, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["preop_sample-1.0-py3-none-any.whl"]
    ran = subprocess.run([*command, "monai"], env=variables, capture_output=True, text=True, timeout=60)
    assert ran.returncode != 0, "the network is not asked"
