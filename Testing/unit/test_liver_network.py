"""The liver: its fast network against the plain one, preparation, post-processing, and real images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.segmentation import liver, liver_field
from LiverPlannerLib.segmentation.liver_core import liver_core, with_rim
from LiverPlannerLib.segmentation.liver_intensity import intensity_map
from PreopReviewLib import images, models
from PreopReviewLib.errors import Cancelled, InputError, ModelError, ModelUnavailable, NothingFound
from PreopReviewLib.progress import CancelToken

torch = pytest.importorskip("torch")

CANVAS = (54, 54, 54)


@pytest.fixture(scope="module")
def network():
    from PreopReviewLib.models.kuleuven_networks import KuLeuvenLiverUNet

    torch.manual_seed(3)
    return KuLeuvenLiverUNet((4, 6, 8, 10)).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def real() -> models.ModelPackage:
    try:
        return models.find_package("kuleuven-liver")
    except ModelUnavailable as error:
        pytest.skip(str(error))


def padded(image):
    full = torch.zeros(CANVAS)
    start = [s // 2 - n // 2 for s, n in zip(CANVAS, image.shape, strict=True)]
    full[tuple(slice(s, s + n) for s, n in zip(start, image.shape, strict=True))] = image
    return full[None, None], start


def test_output_is_thirteen_voxels_less_on_each_side(network) -> None:
    assert network(torch.zeros(1, 1, 54, 81, 54)).shape == (1, 1, 28, 55, 28)


def inner_feature(x):
    return x[:, :, 13:-13, 13:-13, 13:-13]


def test_the_first_level_on_the_image_box_equals_the_one_on_the_whole_canvas(network) -> None:
    from PreopReviewLib.models import folded, kuleuven_fast
    from PreopReviewLib.models.kuleuven_networks import moments, normalize

    image = torch.rand(20, 17, 12) - 0.5
    full, start = padded(image)
    layers = kuleuven_fast._Layers.of(network)
    slices, order = image.permute(2, 0, 1).contiguous(), (2, 0, 1)
    field, pooled = kuleuven_fast._encode_image(layers, slices, CANVAS, tuple(start[n] for n in order))
    first, second = network.down[0]
    expected = second(normalize(first(full))).permute(0, 1, 4, 2, 3)
    assert torch.allclose(folded.volume(pooled), torch.nn.functional.max_pool3d(expected, 3), atol=1e-5)
    inner = inner_feature(expected)
    assert torch.allclose(folded.volume(field.region(((13, 41),) * 3)), inner, atol=1e-5)
    for ours, plain in zip(field.moments_in(13), moments(inner), strict=True):
        assert torch.allclose(ours, plain, atol=1e-5)


@pytest.mark.parametrize("shape", [(21, 16, 14), (28, 28, 28), (12, 28, 9)])
def test_the_survey_of_every_slice_gives_the_plain_network(network, shape, monkeypatch: pytest.MonkeyPatch) -> None:
    from PreopReviewLib.models import kuleuven_fast

    monkeypatch.setattr(kuleuven_fast, "SLICE_STEP", 1)
    monkeypatch.setattr(kuleuven_fast, "OUTER_STEP", 1)
    monkeypatch.setattr(kuleuven_fast, "_liver_region", lambda *arguments: ((0, 28),) * 3)
    image = torch.rand(shape) - 0.5
    full, start = padded(image)
    plain = torch.sigmoid(network(full))[0, 0]
    window = tuple(slice(s - 13, s - 13 + n) for s, n in zip(start, shape, strict=True))
    with torch.inference_mode():
        probability = kuleuven_fast.liver_probability(network, image, CANVAS)
    assert torch.allclose(probability, plain[window], atol=1e-4)


def test_the_box_around_the_liver_leaves_margins_and_takes_the_largest_piece() -> None:
    from PreopReviewLib.models import kuleuven_fast

    seen = np.zeros((4, 60, 60), bool)
    seen[1:3, 20:40, 25:45] = True
    seen[0, 50:54, 3:7] = True
    limits = ([3, 10, 17, 24], (30, 90), (10, 70))
    region = kuleuven_fast._liver_region(seen, limits, (50, 163, 136))
    assert region == ((1, 27), (30 + 21 - 8, 30 + 39 + 8), (10 + 26 - 8, 10 + 44 + 8))
    assert kuleuven_fast._liver_region(seen & False, limits, (50, 163, 136)) is None


def test_what_hangs_on_the_liver_by_doubtful_voxels_is_cut_off() -> None:
    probability = np.zeros((60, 30, 30), np.float32)
    probability[5:30, 5:25, 5:25] = 0.9
    probability[36:50, 8:22, 8:22] = 0.7  # a neighbor
    probability[30:36, 10:20, 10:20] = 0.55  # the bridge
    probability[4, 5:25, 5:25] = 0.3  # the partial-volume rim is kept for interpolation
    core, threshold = liver_core(probability, 0.027)
    kept = with_rim(core, probability, threshold)
    assert kept[5:30, 8:22, 8:22].all()
    assert kept[4, 8:22, 8:22].all()
    assert not kept[40:48].any()
    assert not liver_core(np.full((9, 9, 9), 0.4, np.float32), 0.027)[0].any()


@pytest.mark.parametrize("wide", [8, 10], ids=["a neck of eight voxels", "a neck of ten"])
def test_a_leak_is_cut_off_also_where_its_neck_outlives_an_erosion(wide: int) -> None:
    rng = np.random.default_rng(1)
    probability = np.zeros((90, 60, 60), np.float32)
    probability[5:40, 10:50, 10:50] = 0.93
    probability[40:44, 20 : 20 + wide, 20 : 20 + wide] = 0.6
    probability[44:80, 8:40, 8:40] = 0.58 + 0.06 * rng.random((36, 32, 32))
    probability[60:66, 15:22, 15:22] = 0.95  # a spot of the neighbor that the network takes for liver
    core, threshold = liver_core(probability, 0.027)
    assert not core[46:].any()
    assert core[5:40, 10:50, 10:50].all()
    assert threshold == pytest.approx(0.5 * 0.93 / 0.955, abs=2e-3)


def test_a_doubtful_tumor_at_the_surface_stays_in_the_liver() -> None:
    probability = np.zeros((60, 60, 60), np.float32)
    probability[5:55, 5:55, 5:55] = 0.95
    away = np.linalg.norm(np.indices(probability.shape).transpose(1, 2, 3, 0) - (54, 30, 30), axis=-1)
    tumor = (away < 14) & (probability > 0)
    probability[tumor] = 0.53
    assert liver_core(probability, 0.027)[0][tumor].all()


def test_a_lobe_on_a_thin_bridge_that_the_network_is_sure_of_stays() -> None:
    probability = np.zeros((60, 30, 30), np.float32)
    probability[5:30, 5:25, 5:25] = 0.97
    probability[36:50, 8:22, 8:22] = 0.9
    probability[30:36, 12:16, 12:16] = 0.55
    core, _ = liver_core(probability, 0.027)
    assert (core == (probability > 0.5)).all()


def test_the_surface_is_lower_where_the_network_is_less_sure_of_all_of_the_liver() -> None:
    probability = np.zeros((40, 30, 30), np.float32)
    probability[5:30, 5:25, 5:25] = 0.75
    probability[30:34, 5:25, 5:25] = 0.42
    core, threshold = liver_core(probability, 0.027)
    assert threshold == pytest.approx(0.5 * 0.75 / 0.955, abs=1e-3)
    assert core[32, 10, 10]


def test_the_network_grid_covers_the_cropped_image() -> None:
    array = np.full((40, 60, 64), -1000, np.int16)
    array[:, 10:50, 8:56] = 40
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4.0, 4.0, 5.0))
    image.SetOrigin((10, -20, 30))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    prepared = liver.prepare(image, "CT")
    back = sitk.Resample(
        liver._as_image((prepared.values > -0.4).astype(np.float32), prepared.image),
        image,
        sitk.Transform(),
        sitk.sitkLinear,
    )
    body, recovered = array > -150, sitk.GetArrayFromImage(back) > 0.5
    assert not (recovered & ~body).any()
    # The mask of the body is eroded, so three voxels are lost on each side, as in the original; nothing is shifted.
    assert recovered[:, 13:47, 11:53].all()


def test_the_faces_of_the_box_are_where_erosion_of_the_whole_image_has_them() -> None:
    from scipy import ndimage

    rng = np.random.default_rng(2)
    body = ndimage.gaussian_filter(rng.normal(size=(30, 90, 100)), 4)
    grid = np.indices(body.shape)
    body = (((grid[1] - 45) / 33) ** 2 + ((grid[2] - 50) / 40) ** 2 + 4 * body) < 1
    image = sitk.GetImageFromArray(np.where(body, 40, -1000).astype(np.int16))
    image.SetSpacing((1.0, 1.2, 2.0))
    box = liver_field.abdomen_box(image, "CT")
    first = ndimage.find_objects(ndimage.binary_erosion(body).astype(int))[0]
    inside = body[:, first[1], first[2]]
    second = ndimage.find_objects(ndimage.binary_erosion(inside, np.ones((5, 5, 5))).astype(int))[0]
    for axis in (1, 2):
        assert box.start[axis] == first[axis].start + second[axis].start
        assert box.stop[axis] == first[axis].start + second[axis].stop


def test_the_image_is_cut_above_the_lung_bases_and_far_below() -> None:
    array = np.full((240, 60, 80), -1000, np.int16)
    array[:, 10:50, 10:70] = 40
    array[160:, 15:45, 15:35] = -850
    array[160:, 15:45, 45:65] = -850
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((4.0, 4.0, 4.0))
    box = liver_field.abdomen_box(images.orient(image, "RAS"), "CT")
    assert box.stop[0] == pytest.approx(160 + 70 / 4, abs=3)
    assert (box.stop[0] - box.start[0]) * 4 <= 408


def test_a_bad_modality_model_or_cancel_is_said_before_any_work(tmp_path: Path, real) -> None:
    image = sitk.Image(20, 20, 20, sitk.sitkInt16)
    with pytest.raises(InputError, match="modality"):
        liver.segment_liver(image, "PET", real)
    wrong = models.ModelPackage(real.folder, {**real.metadata, "network": {"name": "UNet", "arguments": {}}})
    with pytest.raises(ModelError, match="not KuLeuvenLiverUNet"):
        liver.segment_liver(image, "CT", wrong)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        liver.segment_liver(image, "CT", real, cancel=token)


def test_no_liver_is_an_error_and_not_an_empty_mask(real, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.full((20, 30, 30), -1000, np.int16)
    array[:, 8:22, 8:22] = -80
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((5.0, 5.0, 5.0))
    monkeypatch.setattr(liver, "_predict", lambda p, prepared, *rest: np.full(prepared.values.shape, 0.4, np.float32))
    with pytest.raises(NothingFound):
        liver.segment_liver(image, "CT", real, "cpu")


def test_an_mri_of_which_the_network_is_not_sure_is_warned_of_and_another_is_not(
    real, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)
    array = rng.normal(20, 2, (30, 40, 40)).astype(np.float32)
    array[4:26, 4:36, 4:36] += 60
    array[8:20, 8:26, 8:24] += 50
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((5.0, 5.0, 5.0))

    def answer(share: float):
        def predicted(_predictor, prepared, *_rest):
            return np.where(prepared.source > 100, np.float32(share), np.float32(0.02))

        return predicted

    for share, warned in ((0.99, False), (0.85, True)):
        monkeypatch.setattr(liver, "_predict", answer(share))
        result = liver.segment_liver(image, "MR", real, "cpu")
        assert (liver.UNSURE in result.warnings) is warned
        assert images.array_of(result.mask).sum() == pytest.approx(12 * 18 * 16, rel=0.15)


def dice_of(name: str, labels: str, modality: str, folder: Path, package: models.ModelPackage) -> float:
    image = images.read_image(folder / "totalsegmentator" / name)
    reference = images.resample_to(images.read_labels(folder / "totalsegmentator" / labels), image, "nearest")
    result = liver.segment_liver(image, modality, package, "cpu")
    assert images.same_grid(result.mask, image)
    a, b = images.array_of(result.mask) > 0, images.array_of(reference) == 5
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.slow
def test_a_real_ct_has_the_liver_where_the_labels_say(shared_data: Path, real) -> None:
    assert dice_of("ct_3mm.nii.gz", "ct_3mm_seg117.nii.gz", "CT", shared_data, real) >= 0.95


@pytest.mark.slow
def test_a_real_ct_has_the_same_liver_on_another_grid(shared_data: Path, real) -> None:
    folder = shared_data / "totalsegmentator"
    scan, labels = images.read_image(folder / "ct_3mm.nii.gz"), images.read_labels(folder / "ct_3mm_seg117.nii.gz")
    spacing = np.array((1.3, 1.3, 2.0))
    grid = sitk.Image(
        np.round(np.array(scan.GetSize()) * scan.GetSpacing() / spacing).astype(int).tolist(), sitk.sitkUInt8
    )
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(scan.GetDirection())
    grid.SetOrigin(scan.TransformContinuousIndexToPhysicalPoint(((spacing / scan.GetSpacing() - 1) / 2).tolist()))
    padded = sitk.ZeroFluxNeumannPad(scan, [1] * 3, [1] * 3)
    again = sitk.Resample(padded, grid, sitk.Transform(), sitk.sitkLinear)
    found = images.array_of(liver.segment_liver(again, "CT", real).mask) > 0
    wanted = images.array_of(sitk.Resample(labels, grid, sitk.Transform(), sitk.sitkNearestNeighbor)) == 5
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.94


@pytest.mark.slow
def test_thin_slabs_of_mr_and_ct_have_a_liver(shared_data: Path, real) -> None:
    assert dice_of("mr_3mm_slab.nii.gz", "mr_3mm_slab_seg.nii.gz", "MR", shared_data, real) >= 0.8
    assert dice_of("ct_dicom", "ct_dicom_seg117.nii.gz", "CT", shared_data, real) >= 0.8


def test_half_precision_stays_finite_with_a_channel_that_does_not_vary(network) -> None:
    from PreopReviewLib.models import kuleuven_fast
    from PreopReviewLib.models.kuleuven_networks import KuLeuvenLiverUNet

    dead = KuLeuvenLiverUNet((4, 6, 8, 10)).requires_grad_(False).eval()
    dead.load_state_dict(network.state_dict())
    dead.down[0][0].weight[1] = 0
    dead.up[2][0].weight[2] = 0
    image = torch.rand(20, 17, 12) - 0.5
    with torch.inference_mode():
        probability = kuleuven_fast.liver_probability(dead.to(torch.bfloat16), image.to(torch.bfloat16), CANVAS)
    assert torch.isfinite(probability).all()


def test_low_precision_agrees_with_the_plain_network(network) -> None:
    from PreopReviewLib.models.kuleuven_lesion_fast import lesion_logits
    from PreopReviewLib.models.kuleuven_networks import KuLeuvenLesionUNet

    torch.manual_seed(2)
    lesion = KuLeuvenLesionUNet((3, 4, 5, 6)).eval()
    values = torch.rand(60, 50, 30) - 0.5
    with torch.inference_mode():
        plain = lesion_logits(lesion, values, (20, 20, 12), (100, 92, 54))
        rough = lesion_logits(lesion.to(torch.bfloat16), values.to(torch.bfloat16), (20, 20, 12), (100, 92, 54))
    assert (plain - rough).abs().mean() < 0.1 * plain.std()


def test_a_few_bright_voxels_of_an_mri_do_not_darken_the_liver() -> None:
    array = np.full((20, 20, 20), 20.0)
    array[5:15, 5:15, 5:15] = 100.0
    bright = array.copy()
    bright[0, 0, :4] = 5000.0
    plain, stretched = (intensity_map(a, "MR")(a) for a in (array, bright))
    assert (plain.min(), plain.max()) == (-0.5, 0.5)
    np.testing.assert_allclose(stretched[5:15, 5:15, 5:15], plain[5:15, 5:15, 5:15])


def test_an_mri_whose_percentiles_are_equal_is_still_mapped_and_a_constant_one_is_refused() -> None:
    array = np.zeros((20, 20, 20))
    array[10, 10, 10] = 7.0
    assert intensity_map(array, "MR")(array).max() == 0.5
    with pytest.raises(InputError):
        intensity_map(np.full((4, 4, 4), 3.0), "MR")
