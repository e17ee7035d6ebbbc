"""Archives and packages of others: limits, links, damage."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest

from PreopReviewLib.archives import open_archive, unpack_member
from PreopReviewLib.errors import ModelCorrupt, ModelError, UnreadableImage
from PreopReviewLib.models import catalog
from PreopReviewLib.resources import resource


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.setenv("PREOP_MODELS", str(tmp_path / "models"))
    return shutil.copytree(resource("Models") / "tear-synthetic", tmp_path / "package")


def zipped(folder, path, **more: bytes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*"):
            if file.is_file():
                archive.write(file, file.relative_to(folder.parent))
        for name, data in more.items():
            archive.writestr(name, data)
    return path


def test_only_the_files_of_a_package_are_taken(package, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    (package / "docs" / "key").symlink_to(secret)
    (package / "notes.txt").write_text("not mine")
    folder = catalog.install("m", package).folder
    assert not (folder / "docs" / "key").exists()
    assert not (folder / "notes.txt").exists()
    assert (folder / "docs" / "README.md").is_file()


def test_a_linked_file_of_a_package_is_not_taken(package, tmp_path):
    secret = tmp_path / "secret.md"
    (package / "docs" / "README.md").rename(secret)
    (package / "docs" / "README.md").symlink_to(secret)
    with pytest.raises(ModelError):
        catalog.install("m", package)
    assert not (tmp_path / "models" / "m").exists()


def test_a_zip_of_a_package_is_installed_without_what_else_it_holds(package, tmp_path):
    path = zipped(package, tmp_path / "p.zip", more=b"x" * 1000)
    folder = catalog.install("m", path).folder
    assert not list(folder.rglob("more"))


def test_a_zip_of_a_package_with_a_bomb_beside_it_is_refused(package, tmp_path, monkeypatch):
    with pytest.raises(ModelCorrupt, match="bomb in .* unpacks to 0.1 GB from almost nothing"):
        catalog.install("m", zipped(package, tmp_path / "p.zip", bomb=b"\0" * (64 << 20)))
    monkeypatch.setattr(catalog, "MAX_PACKAGE_BYTES", 1 << 20)
    with pytest.raises(ModelCorrupt, match=r"p\.zip unpacks to .* GB, more than"):
        catalog.install("m", zipped(package, tmp_path / "p.zip", more=np.random.default_rng(1).bytes(2 << 20)))
    assert not (tmp_path / "models" / "m").exists()


def test_weights_that_unpack_from_almost_nothing_are_refused(package, tmp_path):
    weights = package / "models" / "model.safetensors"
    with weights.open("wb") as file:
        file.truncate(300 << 20)
    with pytest.raises(ModelCorrupt, match="from almost nothing"):
        catalog.install("m", zipped(package, tmp_path / "p.zip"))
    assert not (tmp_path / "models" / "m").exists()


def test_a_size_that_lies_does_not_help(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"x" * 5000)
    with open_archive(path) as archive, pytest.raises(UnreadableImage, match="larger than"):
        unpack_member(archive, "a", tmp_path / "out", max_bytes=4000)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"no zip at all"])
def test_what_is_no_zip_is_named(tmp_path, data, package):
    path = tmp_path / "p.zip"
    path.write_bytes(data)
    with pytest.raises(ModelCorrupt, match=r"p\.zip"):
        catalog.install("m", path)


def test_a_damaged_member_is_named(package, tmp_path):
    path = zipped(package, tmp_path / "p.zip")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(data)
    with pytest.raises(ModelCorrupt, match="damaged"):
        catalog.install("m", path)
