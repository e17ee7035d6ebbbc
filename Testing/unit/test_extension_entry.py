"""What the checks of Slicer's Extensions Index look at, without a network; and that every file is packaged."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
"""Keys of the schema, version 1.0.1; it allows no others."""


def png_size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", data[16:24])


def test_the_entry_has_the_keys_of_the_schema():
    data = (ROOT / "PreopReview.json").read_bytes()
    entry = json.loads(data)
    assert b"\r" not in data
    assert {"$schema", "category", "scm_url"} <= set(entry)
    for key, value in entry.items():
        assert isinstance(value, ALLOWED[key]), key
    assert entry["category"] in ("Segmentation", "Planning", "Quantification")
    assert re.fullmatch(r"https://\S+/Slicer\w+\.git", entry["scm_url"])
    assert entry["build_dependencies"] == ["PyTorch"]


def test_the_project_is_named_as_the_entry_and_has_icon_and_pictures():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"project\s*\(\s*([^\s)]+)", text)[1] == "PreopReview"
    icon = re.search(r'set\s*\(EXTENSION_ICONURL\s*"([^"]+)"[ ]*\)', text)[1]
    pictures = re.search(r'set\s*\(EXTENSION_SCREENSHOTURLS\s*"([^"]+)"\)', text)[1].split()
    assert pictures
    for address in (icon, *pictures):
        assert address.startswith("https://raw.githubusercontent.com/PreopReview/SlicerPreopReview/main/")
        png_size(ROOT / address.partition("/main/")[2])
    assert png_size(ROOT / "PreopReview.png") == (128, 128)
    assert set(re.search(r'EXTENSION_DEPENDS "([^"]*)"', text)[1].split()) == {"PyTorch"}


def test_the_license_lies_at_the_root():
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def listed(module: str) -> set[str]:
    """Every file that the module's CMakeLists.txt gives to the macro."""
    folder = ROOT / module
    text = re.sub(r"#.*", "", (folder / "CMakeLists.txt").read_text(encoding="utf-8")).replace("${MODULE_NAME}", module)
    paths = {word for word in re.findall(r"[\w./-]+", text) if "/" in word or word.endswith(".py")}
    for pattern in re.findall(r"RELATIVE \$\{CMAKE_CURRENT_SOURCE_DIR\} (\S+)", text):
        top, _, name = pattern.rpartition("/")
        paths |= {p.relative_to(folder).as_posix() for p in (folder / top).rglob(name)}
    return paths


@pytest.mark.parametrize("module", [p.parent.name for p in sorted(ROOT.glob("*/*.py")) if p.stem == p.parent.name])
def test_a_module_packages_every_file_it_needs(module):
    folder = ROOT / module
    needed = {p.relative_to(folder).as_posix() for p in folder.glob("*Lib/**/*") if p.is_file()}
    needed |= {f"{module}.py"} | {p.relative_to(folder).as_posix() for p in (folder / "Resources").rglob("*.ui")}
    needed = {n for n in needed if "__pycache__" not in n}
    assert needed - listed(module) == set()
    assert f"Resources/Icons/{module}.png" in listed(module)
    assert (folder / "Resources" / "Icons" / f"{module}.png").is_file()
