"""Surface distances: analytic shapes, brute force on small masks, other libraries, and every empty case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.evaluation import surfaces
from PreopReviewLib.evaluation.surfaces import CONVENTIONS, SurfaceDistances, surface_distances

SPACING = (3.0, 0.7, 0.9)
MASKS = arrays(bool, (4, 5, 6), elements=st.booleans())


def ball(radius: float, shift: float = 0.0, size: int = 48) -> np.ndarray:
    k, j, i = np.ogrid[:size, :size, :size]
    c = (size - 1) / 2
    return (k - c - shift) ** 2 + (j - c) ** 2 + (i - c) ** 2 <= radius**2


def brute_force(prediction: np.ndarray, reference: np.ndarray, spacing, tolerance: float) -> dict[str, float]:
    """All pairs of surface voxels, found by looking at the six neighbors one by one."""

    def surface(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        pieces = []
        for voxel in np.argwhere(mask):
            around = [voxel + 1 + step for step in np.vstack([np.eye(3, dtype=int), -np.eye(3, dtype=int)])]
            if not all(padded[tuple(a)] for a in around):
                pieces.append(voxel * np.array(spacing))
        return np.array(pieces)

    p, r = surface(prediction), surface(reference)
    pairs = np.linalg.norm(p[:, None] - r[None], axis=2)
    there, back = pairs.min(axis=1), pairs.min(axis=0)
    both = np.concatenate([there, back])
    return {
        "hd": both.max(),
        "max-of-two": max(np.percentile(there, 95), np.percentile(back, 95)),
        "pooled": np.percentile(both, 95),
        "assd": both.mean(),
        "nsd": (both <= tolerance).mean(),
        "to_reference": there.mean(),
        "to_prediction": back.mean(),
    }


@settings(max_examples=120, deadline=None)
@given(MASKS, MASKS, st.sampled_from([(1.0, 1.0, 1.0), SPACING]), st.sampled_from(["max-of-two", "pooled"]))
def test_small_masks_give_the_brute_force_distances(prediction, reference, spacing, convention):
    result = surface_distances(prediction, reference, spacing, tolerance=1.0, convention=convention)
    if not (prediction.any() and reference.any()):
        assert result.hd is None
        return
    expected = brute_force(prediction, reference, spacing, 1.0)
    assert result.hd95 == pytest.approx(expected[convention], rel=1e-6)
    for name in ("hd", "assd", "nsd", "to_reference", "to_prediction"):
        assert getattr(result, name) == pytest.approx(expected[name], rel=1e-6), name


@pytest.mark.parametrize("tree_cost", [0, 10**9], ids=["tree", "distance transform"])
@pytest.mark.parametrize("similar", [0.0, 2.0], ids=["near search first", "no near search"])
def test_every_way_to_the_nearest_surface_gives_the_same(monkeypatch, tree_cost, similar):
    a, b = ball(14), ball(12, shift=7)
    expected = surface_distances(a, b, SPACING)
    monkeypatch.setattr(surfaces, "_TREE_COST", tree_cost)
    monkeypatch.setattr(surfaces, "_SIMILAR_DSC", similar)
    result = surface_distances(a, b, SPACING)
    assert result.hd == pytest.approx(expected.hd, rel=1e-6)
    assert result.assd == pytest.approx(expected.assd, rel=1e-6)
    assert result.hd95 == pytest.approx(expected.hd95, rel=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_concentric_spheres_are_apart_by_the_difference_of_radii(convention):
    result = surface_distances(ball(20), ball(15), (1, 1, 1), tolerance=3, convention=convention)
    half_diagonal = np.sqrt(3) / 2  # the voxels of a drawn sphere lie in a shell of about that thickness
    assert result.assd == pytest.approx(5, abs=half_diagonal)
    assert result.hd == pytest.approx(5, abs=half_diagonal)
    assert result.hd95 == pytest.approx(5, abs=half_diagonal)
    assert result.nsd == 0.0
    assert surface_distances(ball(20), ball(15), (1, 1, 1), tolerance=7, convention=convention).nsd == 1.0


def test_a_cube_shifted_along_one_axis_is_off_by_the_shift():
    a, b = np.zeros((20, 20, 20), bool), np.zeros((20, 20, 20), bool)
    a[4:14, 4:14, 4:14] = b[6:16, 4:14, 4:14] = True
    result = surface_distances(a, b, (2.0, 1.0, 1.0))
    assert result.hd == pytest.approx(4.0)
    assert result.hd95 == pytest.approx(4.0)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_single_voxels_are_apart_by_the_distance_of_their_centers(convention):
    a, b = np.zeros((9, 9, 9), bool), np.zeros((9, 9, 9), bool)
    a[0, 0, 0] = b[3, 4, 0] = True
    result = surface_distances(a, b, (1.0, 1.0, 1.0), tolerance=1, convention=convention)
    assert result.assd == pytest.approx(5.0 if convention != "area-weighted" else result.assd)
    if convention == "area-weighted":  # the surfaces pass half a voxel nearer to each other
        assert 4.0 <= result.assd <= 5.0
    else:
        assert (result.hd, result.hd95, result.nsd) == (pytest.approx(5.0), pytest.approx(5.0), 0.0)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_identical_masks_are_no_distance_apart(convention):
    result = surface_distances(ball(9, size=24), ball(9, size=24), SPACING, tolerance=0, convention=convention)
    assert (result.hd, result.hd95, result.assd, result.nsd) == (0.0, 0.0, 0.0, 1.0)


def test_the_border_of_the_image_counts_as_surface():
    whole, inner = np.ones((6, 6, 6), bool), np.zeros((6, 6, 6), bool)
    inner[1:5, 1:5, 1:5] = True
    result = surface_distances(whole, inner, (1, 1, 1), tolerance=0)
    assert result.to_prediction == 1.0
    assert surface_distances(whole, whole, (1, 1, 1)).hd == 0.0


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(("p", "r"), [(False, False), (True, False), (False, True)])
def test_an_empty_mask_has_no_distance_in_any_convention(convention, p, r):
    masks = [np.full((4, 4, 4), value) for value in (p, r)]
    result = surface_distances(*masks, (1, 1, 1), tolerance=2.0, convention=convention)
    assert result == SurfaceDistances(None, None, None, None, None, None, 2.0, convention)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), SPACING])
def test_monai_gives_the_same_numbers_in_our_default_convention(spacing):
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    a, b = ball(13), ball(12, shift=2)
    ta, tb = (torch.from_numpy(np.stack([~m, m])[None].astype(np.float32)) for m in (a, b))
    result = surface_distances(a, b, spacing, tolerance=1.5)
    options = {"include_background": False, "spacing": spacing}
    assert result.hd == pytest.approx(float(compute_hausdorff_distance(ta, tb, **options)), abs=1e-4)
    assert result.hd95 == pytest.approx(float(compute_hausdorff_distance(ta, tb, percentile=95, **options)), abs=1e-4)
    assert result.assd == pytest.approx(
        float(compute_average_surface_distance(ta, tb, symmetric=True, **options)), abs=1e-4
    )
    assert result.nsd == pytest.approx(float(compute_surface_dice(ta, tb, [1.5], **options)), abs=1e-4)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), SPACING])
def test_monai_with_subvoxels_gives_the_same_area_weighted_nsd(spacing):
    torch = pytest.importorskip("torch")
    from monai.metrics import compute_surface_dice

    rng = np.random.default_rng(3)
    noise = rng.random((48, 48, 48)) < 0.05  # single voxels and touching corners: all kinds of elements
    a, b = ball(13) | noise, ball(12, shift=2)
    ta, tb = (torch.from_numpy(np.stack([~m, m])[None].astype(np.float32)) for m in (a, b))
    expected = compute_surface_dice(ta, tb, [1.5], include_background=False, spacing=spacing, use_subvoxels=True)
    result = surface_distances(a, b, spacing, tolerance=1.5, convention="area-weighted")
    assert result.nsd == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), SPACING])
def test_every_kind_of_surface_element_has_the_area_of_monais_table(spacing):
    pytest.importorskip("torch")
    from monai.metrics.utils import get_code_to_measure_table

    expected = np.asarray(get_code_to_measure_table(spacing)[0], float)
    assert surfaces._areas(spacing) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spacing": (1, 1, 0)}, "spacing"),
        ({"spacing": (1, 1)}, "spacing"),
        ({"spacing": (1, np.nan, 1)}, "spacing"),
        ({"tolerance": -1}, "tolerance"),
        ({"convention": "medpy"}, "convention"),
    ],
)
def test_parameters_that_cannot_be_are_refused(change, words):
    mask = np.ones((3, 3, 3), bool)
    with pytest.raises(InputError, match=words):
        surface_distances(mask, mask, **{"spacing": (1, 1, 1), **change})


def test_masks_of_different_size_or_of_labels_are_refused():
    with pytest.raises(GeometryError, match="different sizes"):
        surface_distances(np.ones((3, 3, 3), bool), np.ones((3, 3, 4), bool), (1, 1, 1))
    with pytest.raises(InputError, match="reference is not a binary mask"):
        surface_distances(np.ones((3, 3, 3), bool), np.full((3, 3, 3), 5), (1, 1, 1))


@pytest.mark.parametrize("mm", [0.8, 0.7, 0.4, 0.1, 5.0])
@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("tree_cost", [0, 10**9], ids=["tree", "distance transform"])
def test_a_tolerance_that_is_a_multiple_of_the_spacing_is_reached_in_any_precision(monkeypatch, mm, steps, tree_cost):
    monkeypatch.setattr(surfaces, "_TREE_COST", tree_cost)
    a, b = np.zeros((2, 24, 24, 24), bool)
    a[4:14, 4:14, 4:14] = True
    b[4:14, 4:14, 4 + steps : 14 + steps] = True
    for written in (mm, float(np.float32(mm)), float(np.nextafter(np.float32(mm), np.float32(9)))):
        for convention in CONVENTIONS:
            distances = surface_distances(a, b, (written,) * 3, tolerance=round(mm * steps, 6), convention=convention)
            assert distances.nsd == 1.0, (written, convention)
    assert surface_distances(a, b, (mm,) * 3, tolerance=0.99 * mm * steps).nsd < 1.0
