"""What reaches beyond the liver is not liver volume: worked out on blocks whose volumes are known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.liver_extent import inside_liver, outside_ml, outside_notes
from LiverPlannerLib.plan.measures import liver_warnings
from LiverPlannerLib.plan.measures import measure_volumes as plan_volumes
from LiverPlannerLib.resection.cutting import Plane, resect_by_planes
from LiverPlannerLib.resection.live_cut import LiveCut
from LiverPlannerLib.resection.volumetry import measure_volumes, volumetry
from PreopReviewLib import images

TISSUE, TUMOR, CYST, PORTAL, CAVA = 1, 2, 3, 5, 7
ML = 0.064


def labels_of(array: np.ndarray) -> sitk.Image:
    """Voxels of 4 mm: 0.064 ml each."""
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


@pytest.fixture
def array() -> np.ndarray:
    """A block of 20 x 20 x 20 voxels, with a portal vein through it that goes on for 10 voxels outside."""
    array = np.zeros((28, 28, 40), np.uint8)
    array[4:24, 4:24, 4:24] = TISSUE
    array[13:15, 13:15, 14:34] = PORTAL
    return array


def test_a_vein_counts_only_as_far_as_liver_surrounds_it(array):
    volumes = measure_volumes(labels_of(array))
    assert volumes.tlv == pytest.approx(8000 * ML)
    assert volumes.by_structure["portal_vein"] == pytest.approx(80 * ML)
    assert volumes.outside == pytest.approx({"portal_vein": 40 * ML})
    assert measure_volumes(labels_of(array), ("portal_vein",)).functional == pytest.approx(7960 * ML)


def test_a_lesion_outside_is_left_out_and_named(array):
    array[13:15, 13:15, 36:38] = TUMOR
    array[10:12, 10:12, 10:12] = TUMOR
    array[4:8, 4:8, 24:26] = CYST  # exophytic: it touches the liver
    result = volumetry(labels_of(array))
    assert result.volumes.tlv == pytest.approx(8032 * ML)
    assert result.volumes.functional == pytest.approx(7992 * ML)  # without the tumor inside and the cyst
    notes = [n for n in result.notes if n.startswith("Outside the liver")]
    assert notes == ["Outside the liver and not counted in its volumes: liver tumor 0.5 ml, portal vein 2.6 ml."]


def test_plan_report_resection_and_volumetry_agree_on_the_liver(array):
    labels = labels_of(array)
    tlv = measure_volumes(labels).tlv
    plane = Plane((-56.0, -56.0, 56.0), (0.0, 0.0, 1.0))
    cut = resect_by_planes(labels, [plane])
    live = LiveCut(labels).cut([plane])
    assert plan_volumes(labels)["liver"] == pytest.approx(tlv)
    assert cut.resected_ml + cut.remnant_ml == pytest.approx(tlv)
    assert live.resected_ml + live.remnant_ml == pytest.approx(tlv)
    assert volumetry(labels, remnant=cut.remnant).remnant.whole_ml == pytest.approx(cut.remnant_ml)
    assert any(w.startswith("Outside the liver") for w in liver_warnings(labels, tlv))


def test_a_vein_that_leaves_the_image_is_no_cut_off_liver(array):
    array[13:15, 13:15, 14:40] = PORTAL
    assert not any("border" in w for w in liver_warnings(labels_of(array), 1000.0))
    assert not any("edge" in n for n in volumetry(labels_of(array)).notes)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)])
def test_crop_and_order_of_axes_change_nothing(array, axes):
    array[13:15, 13:15, 36:38] = TUMOR
    whole = labels_of(array)
    tight = labels_of(array[4:24, 4:24, 4:38].transpose(axes)[::-1])
    assert outside_ml(tight) == pytest.approx(outside_ml(whole))
    assert inside_liver(tight).sum() == inside_liver(whole).sum()


def test_lesions_alone_count_since_nothing_tells_inside_from_outside(array):
    array[array == TISSUE] = TUMOR
    assert outside_ml(labels_of(array)) == {}


def test_a_structure_that_is_never_liver_is_not_called_outside(array):
    array[:, :, 36:] = CAVA
    assert "inferior_vena_cava" not in outside_ml(labels_of(array))
    assert outside_notes({}) == []


def test_a_labeled_patient_has_the_volume_of_the_liver_mesh(shared_data):
    """The mesh's 2316.2 ml: TLV without the trunks that the labels hold besides."""
    anatomy = images.read_image(shared_data / "liver_anatomy" / "labels_1.5mm.nii.gz")
    table = np.array([0, 1, 6, 4, 5, 0, 6, 8, 3, 2], np.uint8)  # arteries as ducts: tubes as well
    labels = images.image_like(table[images.array_of(anatomy)], anatomy)
    assert measure_volumes(labels).tlv == pytest.approx(2316.2, rel=0.005)


def test_a_label_image_is_looked_through_once_and_anew_when_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    from LiverPlannerLib import liver_extent

    counted, real = [], liver_extent._inside
    monkeypatch.setattr(liver_extent, "_inside", lambda *given: (counted.append(1), real(*given))[1])
    array = np.zeros((7, 9, 11), np.uint8)
    array[2:5, 2:7, 2:9] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.0, 1.1, 2.3))
    first = inside_liver(image)
    expected = first.copy()
    first[:] = False  # the caller's own: no later answer changes with it
    assert np.array_equal(inside_liver(image), expected)
    assert len(counted) == 1
    image[2, 2, 2] = 0
    assert inside_liver(image).sum() == expected.sum() - 1
    image.SetSpacing((1.0, 1.1, 2.2))
    inside_liver(image)
    assert len(counted) == 3
