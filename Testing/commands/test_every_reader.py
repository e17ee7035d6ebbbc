"""Whatever form labels come in, every command that reads them gives the same numbers.

The questions are those of `label_questions`, the forms those of `label_matrix`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import label_matrix as matrix
import numpy as np
import pytest
from label_matrix import Form
from label_questions import HEAVY, READERS, Case, only_the_one_reader

from LiverPlannerLib.labels import parse_mapping, read_labels
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

PLAIN = Form(numbering="header")
"""What the others are compared with: NIfTI on the series' own grid, with names in its header."""


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
            answer = ask(Case(run, series, given, plain, place))
        assert list(_differences(answer, expected[key])) == [], f"{name}: {form}"


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
        file_labels = read_labels(file.path, parse_mapping(file.option[1]) if file.option else None).onto(image)
        assert np.array_equal(images.array_of(file_labels.labels), images.array_of(want[form.apart].labels)), form
        sizes = (
            [] if file_labels.lesions is None else sorted(np.bincount(file_labels.lesions.array.ravel())[1:].tolist())
        )
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
