"""Volumes, standard volumes and ratios against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.resection.literature import DISCLAIMER, LITERATURE, hypertrophy
from LiverPlannerLib.resection.volumetry import (
    NOT_FUNCTIONAL,
    Patient,
    body_surface_area,
    estimated_volumes,
    measure_volumes,
    volumetry,
)
from PreopReviewLib.errors import GeometryError, InputError, NothingFound


def labels_of(array: np.ndarray, spacing=(10.0, 10.0, 10.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing(spacing)
    return image


@pytest.fixture
def liver() -> sitk.Image:
    """Voxels of 1 ml: 1000 of liver, of which 100 tumor, 20 cyst, 30 portal vein; 40 of gallbladder outside."""
    array = np.zeros((14, 10, 10), np.uint8)
    array[:10] = 1
    array[0] = 2
    array[1].flat[:20] = 3
    array[2, 3:6] = 5
    array[12].flat[:40] = 8
    return labels_of(array)


@pytest.fixture
def lower_half(liver) -> sitk.Image:
    array = np.zeros((14, 10, 10), np.uint8)
    array[5:] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(liver)
    return mask


def test_the_liver_is_the_union_of_what_it_contains(liver):
    volumes = measure_volumes(liver)
    assert volumes.tlv == pytest.approx(1000)
    assert volumes.by_structure == pytest.approx(
        {"liver": 1000, "tumor": 100, "cyst": 20, "portal_vein": 30, "gallbladder": 40}
    )
    assert volumes.functional == pytest.approx(880)
    assert volumes.functional_otherwise == pytest.approx(900)


def test_cysts_are_no_functional_liver_and_the_other_value_stands_beside(liver, lower_half):
    array = sitk.GetArrayFromImage(liver)
    array[6].flat[:50] = 3
    more = sitk.GetImageFromArray(array)
    more.CopyInformation(liver)
    for exclude, flr, other in ((NOT_FUNCTIONAL, 450, 500), (("tumor",), 500, 450)):
        result = volumetry(more, remnant=lower_half, exclude=exclude)
        rows = {r["measure"]: r["value"] for r in result.as_rows()}
        words = "cysts counted" if flr == 450 else "cysts not counted"
        assert rows["Future liver remnant (FLR)"] == pytest.approx(flr)
        assert rows[f"Future liver remnant (FLR), {words}"] == pytest.approx(other)
        assert rows[f"Functional liver volume, {words}"] == pytest.approx(900 if flr == 450 else 830)
        assert rows[f"FLR / functional volume, {words}"] == pytest.approx(100 * other / (900 if flr == 450 else 830))
        assert any("70.0 ml of cyst" in note for note in result.notes)


def test_a_liver_without_cysts_has_one_functional_volume(liver):
    array = sitk.GetArrayFromImage(liver)
    array[array == 3] = 1
    plain = sitk.GetImageFromArray(array)
    plain.CopyInformation(liver)
    result = volumetry(plain)
    assert result.volumes.functional_otherwise is None
    assert not any("cyst" in r["measure"].lower() for r in result.as_rows())


def test_cysts_and_vessels_are_taken_off_on_request(liver):
    assert measure_volumes(liver, ("tumor", "cyst", "portal_vein")).functional == pytest.approx(850)
    assert measure_volumes(liver, ()).functional == pytest.approx(1000)
    with pytest.raises(InputError, match="not part of the liver"):
        measure_volumes(liver, ("gallbladder",))


def test_volume_follows_the_voxel_size(liver):
    liver.SetSpacing((2.0, 5.0, 1.0))
    assert measure_volumes(liver).tlv == pytest.approx(10)


def test_a_patient_of_170_cm_and_70_kg_has_the_volumes_of_the_guide():
    patient = Patient(170, 70)
    assert body_surface_area(patient) == pytest.approx(1.818, abs=5e-4)
    assert body_surface_area(patient, "dubois") == pytest.approx(1.810, abs=5e-4)
    by_name = {(e.name, e.bsa): e.ml for e in estimated_volumes(patient)}
    assert by_name["Vauthey", "mosteller"] == pytest.approx(1510, abs=1)
    assert by_name["Urata", "mosteller"] == pytest.approx(1286, abs=1)
    assert by_name["Korean", "dubois"] == pytest.approx(908.204 * 1.8097 - 464.728, abs=1)
    assert by_name["Korean", "mosteller"] == pytest.approx(893.485 * 1.8181 - 439.169, abs=1)


def test_the_bsa_formula_is_chosen_only_where_the_volume_formula_leaves_it_open():
    used = [(e.name, e.bsa) for e in estimated_volumes(Patient(170, 70), "dubois")]
    assert used == [("Vauthey", "dubois"), ("Urata", "dubois"), ("Korean", "dubois"), ("Korean", "mosteller")]


def test_the_remnant_leaves_out_tumor_and_divides_by_each_standard(liver, lower_half):
    result = volumetry(liver, remnant=lower_half, patient=Patient(170, 70))
    assert result.remnant.ml == pytest.approx(500)
    assert result.remnant.to_functional == pytest.approx(500 / 880)
    assert result.remnant.standardized[0] == pytest.approx(500 / 1509.6, abs=1e-4)
    assert result.remnant.to_weight == pytest.approx(500 / 70000)


def test_tumor_in_the_remnant_is_said_and_not_counted(liver):
    whole = liver > 0
    result = volumetry(liver, remnant=whole)
    assert result.remnant.ml == pytest.approx(880)
    assert result.remnant.whole_ml == pytest.approx(1000)  # the gallbladder in the mask is not liver
    assert result.remnant.tumor_ml == pytest.approx(100)
    assert any("100.0 ml of tumor" in note for note in result.notes)


def test_without_height_and_weight_the_ratios_are_said_to_be_missing(liver, lower_half):
    result = volumetry(liver, remnant=lower_half)
    assert result.estimates == ()
    assert result.remnant.standardized == ()
    assert result.remnant.to_weight is None
    assert any("n/a: no height and weight" in note for note in result.notes)


def test_a_small_child_gets_no_volume_from_formulas_of_adults():
    estimates = estimated_volumes(Patient(55, 4.5))
    assert [e.name for e in estimates if e.ml is None] == ["Vauthey", "Korean", "Korean"]
    labels = labels_of(np.ones((4, 4, 4)))
    notes = volumetry(labels, patient=Patient(55, 4.5)).notes
    assert any("derived from adults" in note for note in notes)
    assert any("a negative volume" in note for note in notes)


@pytest.mark.parametrize(
    ("height", "weight", "words"),
    [
        (1.7, 70, "in cm, not m"),
        (0, 70, "height"),
        (170, 0, "weight"),
        (170, -70, "weight"),
        (170, 7000, "weight"),
        (70, 170, "swapped"),
        (float("nan"), 70, "height"),
        (170, float("nan"), "weight"),
    ],
)
def test_absurd_heights_and_weights_are_refused(height, weight, words):
    with pytest.raises(InputError, match=words):
        Patient(height, weight)


def test_labels_without_liver_and_remnants_without_liver_are_refused(liver):
    with pytest.raises(NothingFound, match="no liver"):
        volumetry(labels_of(np.zeros((4, 4, 4))))
    with pytest.raises(NothingFound, match="no liver"):
        volumetry(labels_of(np.full((4, 4, 4), 8)))
    outside = sitk.Image(liver.GetSize(), sitk.sitkUInt8)
    outside.CopyInformation(liver)
    with pytest.raises(InputError, match="no liver in the remnant"):
        volumetry(liver, remnant=outside)
    outside.SetOrigin((9000, 0, 0))
    with pytest.raises(GeometryError, match="do not overlap"):
        volumetry(liver, remnant=outside)


def test_a_liver_cut_off_by_the_image_or_of_an_impossible_size_is_doubted(liver):
    notes = volumetry(liver).notes
    assert any("reaches the edge of the image" in note for note in notes)
    assert not any("outside 300 to 5000" in note for note in notes)
    array = np.zeros((20, 20, 20))
    array[5:10, 5:10, 5:10] = 1
    notes = volumetry(labels_of(array)).notes
    assert any("A liver of 125 ml is outside 300 to 5000 ml" in note for note in notes)
    assert not any("edge" in note for note in notes)


@pytest.mark.parametrize("label", [2, 3, 5, 10])
def test_a_lesion_or_a_vessel_alone_is_no_liver_to_be_measured(label):
    """A file whose liver was not understood has no total liver volume."""
    labels = labels_of(np.full((4, 4, 4), label))
    with pytest.raises(NothingFound, match="no liver in the label image"):
        volumetry(labels)
    with pytest.raises(NothingFound, match="no liver in the label image"):
        volumetry(labels, remnant=labels)


def test_rows_name_unit_formula_and_source(liver, lower_half):
    rows = {r["measure"]: r for r in volumetry(liver, remnant=lower_half, patient=Patient(170, 70)).as_rows()}
    assert rows["Standard liver volume, Vauthey, Mosteller"]["value"] == pytest.approx(1510, abs=1)
    assert "PMC6422720" in rows["Standard liver volume, Vauthey, Mosteller"]["how"]
    assert len(rows) == len(volumetry(liver, remnant=lower_half, patient=Patient(170, 70)).as_rows())  # no name twice
    assert rows["FLR / body weight"]["value"] == pytest.approx(0.714, abs=1e-3)
    assert rows["Gallbladder"]["how"] == "not in TLV"


def test_literature_values_have_a_source_and_say_that_they_are_not_advice():
    assert "not advice" in DISCLAIMER
    assert all(value.source and value.value for value in LITERATURE)


def test_hypertrophy_is_the_gain_in_standardized_remnant_per_week(liver, lower_half):
    patient = Patient(170, 70)
    before = volumetry(liver, remnant=lower_half, patient=patient)
    liver.SetSpacing((10.0, 10.0, 12.0))
    lower_half.SetSpacing((10.0, 10.0, 12.0))
    after = volumetry(liver, remnant=lower_half, patient=patient)
    growth = hypertrophy(before, after, weeks=4)
    assert growth.growth_ml == pytest.approx(100)
    assert growth.relative_growth == pytest.approx(0.2)
    assert growth.degree == pytest.approx(100 * 100 / 1509.6, abs=0.01)
    assert growth.kinetic_growth == pytest.approx(growth.degree / 4)
    assert hypertrophy(before, after).kinetic_growth is None
    with pytest.raises(InputError, match="weeks"):
        hypertrophy(before, after, weeks=0)
    with pytest.raises(InputError, match="needs a remnant"):
        hypertrophy(before, volumetry(liver, patient=patient))
    with pytest.raises(InputError, match="height and weight"):
        hypertrophy(volumetry(liver, remnant=lower_half), after)
