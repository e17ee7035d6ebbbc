"""The network inside a given liver: geometry, refusal of bad input, post-processing, package."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.segmentation.five_evaluation import evaluate_five_structures, painted_anatomy, summary
from LiverPlannerLib.segmentation.five_structures import (
    class_probabilities,
    postprocess,
    segment_structures,
    shipped_package,
)
from LiverPlannerLib.segmentation.left_out import left_out_lesions
from LiverPlannerLib.structures import structure
from PreopReviewLib import images
from PreopReviewLib.errors import Cancelled, GeometryError, ModelError, NothingFound
from PreopReviewLib.models import networks, write_package
from PreopReviewLib.models.liver_channels import liver_channels
from PreopReviewLib.phantoms.liver import make_liver_phantom
from PreopReviewLib.phantoms.tissues import CLASSES
from PreopReviewLib.progress import CancelToken

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def phantom():
    return make_liver_phantom(21, "ct", (80, 72, 64), 3.2)


@pytest.fixture(scope="module")
def liver(phantom):
    return images.image_like(phantom.anatomy.liver.astype(np.uint8), phantom.image)


@pytest.fixture(scope="module")
def random_package(tmp_path_factory):
    arguments = {"in_channels": 2, "out_channels": len(CLASSES), "widths": [4, 8], "block": 2}
    torch.manual_seed(1)
    metadata = {
        "name": "random",
        "version": "0",
        "task": "five-structures",
        "description": "random weights",
        "license": "Apache-2.0",
        "intended_use": "tests",
        "network": {"name": "ResidualUNet3D", "arguments": arguments},
        "inference": {"spacing_mm": 2.0, "classes": list(CLASSES), "divisor": 4},
        "training": {"data": "synthesized images only"},
    }
    network = networks.build("ResidualUNet3D", arguments)
    folder = tmp_path_factory.mktemp("models") / "random"
    return write_package(folder, metadata, network.state_dict(), "# random", "Apache-2.0")


def test_labels_lie_on_the_source_grid_and_fill_the_liver(phantom, liver, random_package):
    segmented = segment_structures(phantom.image, liver, random_package)
    assert images.same_grid(segmented.labels, phantom.image)
    labels = images.array_of(segmented.labels)
    assert set(np.unique(labels)) <= {0, 1, 2, 3, 4, 5, 6, 7}
    assert (labels[images.array_of(liver) > 0] > 0).all()
    assert segmented.model == "random 0"
    assert any("not validated" in note for note in segmented.notes)


def test_a_scan_stored_in_another_orientation_gives_the_labels_of_the_straight_one(phantom, liver, random_package):
    straight = images.array_of(segment_structures(phantom.image, liver, random_package).labels)
    turned_image, turned_mask = (sitk.DICOMOrient(i, "RPI") for i in (phantom.image, liver))
    turned = segment_structures(turned_image, turned_mask, random_package).labels
    back = images.array_of(sitk.DICOMOrient(turned, "LPS"))
    assert (back == straight).mean() > 0.999


def test_the_mean_over_two_places_of_the_blocks_is_that_of_two_passes(phantom, liver, random_package):
    volume, inside = images.array_of(phantom.image), images.array_of(liver) > 0
    zero, one, both = (class_probabilities(random_package, volume, inside, shifts=s) for s in ((0,), (1,), (0, 1)))
    assert np.abs(zero - one).max() > 1e-3
    assert np.allclose(both, (zero + one) / 2, atol=1e-6)
    assert np.allclose(both.sum(0), 1, atol=1e-5)


def test_scaling_and_shifting_the_intensities_changes_nothing(phantom, liver, random_package):
    one = images.array_of(segment_structures(phantom.image, liver, random_package).labels)
    other = images.array_of(segment_structures(phantom.image * 3.0 + 500.0, liver, random_package).labels)
    assert (one == other).mean() > 0.999


def test_channels_center_the_parenchyma_and_hide_what_is_far_away():
    rng = np.random.default_rng(0)
    liver = np.zeros((40, 40, 40), bool)
    liver[12:28, 12:28, 12:28] = True
    image = np.where(liver, 100.0, -500.0) + rng.normal(0, 10, liver.shape)
    shown = liver_channels(image.astype(np.float32), liver, 2.0)
    assert abs(np.median(shown[0][liver])) < 0.02
    assert (shown[0][:5] == 0).all()
    assert shown[1].max() == pytest.approx(16 / 16, abs=0.1)
    assert shown[1].min() == -1


def test_bad_input_is_refused(phantom, liver, random_package):
    with pytest.raises(NothingFound, match="empty"):
        segment_structures(phantom.image, liver * 0, random_package)
    moved = sitk.Image(liver)
    moved.SetOrigin([0, 0, 99])
    with pytest.raises(GeometryError):
        segment_structures(phantom.image, moved, random_package)
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        segment_structures(phantom.image, liver, random_package, cancel=token)


def test_a_package_for_another_task_is_refused(phantom, liver, tmp_path):
    metadata = {
        "name": "other",
        "version": "0",
        "task": "liver",
        "description": "no grid",
        "license": "Apache-2.0",
        "intended_use": "tests",
        "network": {"name": "ResidualUNet3D", "arguments": {"in_channels": 1, "out_channels": 2, "widths": [4, 8]}},
    }
    network = networks.build("ResidualUNet3D", metadata["network"]["arguments"])
    package = write_package(tmp_path / "other", metadata, network.state_dict(), "# other", "Apache-2.0")
    with pytest.raises(ModelError, match="other"):
        segment_structures(phantom.image, liver, package)


def test_a_liver_of_one_slice_or_at_the_border_is_no_crash(phantom, liver, random_package):
    thin = sitk.Image(liver) * 0
    middle = liver.GetSize()[2] // 2
    thin[:, :, middle : middle + 1] = liver[:, :, middle : middle + 1]
    assert images.array_of(segment_structures(phantom.image, thin, random_package).labels).any()
    border = phantom.image[20:50, 20:50, 20:40]
    everything = images.image_like(np.ones(border.GetSize()[::-1], np.uint8), border)
    assert (images.array_of(segment_structures(border, everything, random_package).labels) > 0).all()


def test_tidying_keeps_a_decision_and_removes_specks():
    shares = np.zeros((len(CLASSES), 24, 24, 40), np.float32)
    shares[0] = 1
    at = CLASSES.index
    shares[:, 8:13, 8:13, 4:36] = 0
    shares[at("portal_vein"), 8:13, 8:13, 4:36] = 0.9
    shares[at("hepatic_vein"), 8:13, 8:13, 4:36] = 0.1
    shares[at("portal_vein"), 8:13, 8:13, 14:18], shares[at("hepatic_vein"), 8:13, 8:13, 14:18] = 0.3, 0.7
    shares[at("tumor"), 2, 2, 2], shares[0, 2, 2, 2] = 0.9, 0.1
    decided = postprocess(shares, list(CLASSES), [2.0, 2.0, 2.0]).argmax(0)
    assert (decided[9:12, 9:12, 6:34] == at("portal_vein")).all()
    assert decided[2, 2, 2] == 0


def test_a_summary_counts_only_cases_that_have_the_structure():
    rows = [{"tumor": 0.5}, {"tumor": float("nan")}, {"tumor": 0.7}]
    assert summary(rows)["tumor"] == {"mean": 0.6, "sd": 0.1414, "cases": 2}


def test_evaluation_names_tests_and_structures(random_package):
    figures = evaluate_five_structures(random_package, 1, ["ct"])
    assert {"portal_vein", "hepatic_vein", "portal_vein, main"} <= set(figures["1 held-out phantoms, ct"])


def test_the_real_anatomy_is_painted_with_its_own_truth(shared_data):
    path = shared_data / "liver_anatomy" / "labels_1.5mm.nii.gz"
    image, mask, truth = painted_anatomy(path, "ct")
    values, labels = images.array_of(image), images.array_of(truth)
    portal = labels == structure("portal_vein").label
    whole = images.array_of(sitk.DICOMOrient(images.read_labels(path), "LPS")) == 4
    assert whole.sum() * images.voxel_ml(truth) == pytest.approx(27.4, abs=0.5)
    assert 0.4 < portal.sum() / whole.sum() < 0.9, "the trunk outside the liver is not part of the truth"
    assert np.median(values[whole]) == pytest.approx(np.median(values[portal]), rel=0.05)
    assert np.median(values[portal]) > np.median(values[labels == 1])
    assert images.array_of(mask)[portal].all()


@pytest.mark.slow
def test_the_shipped_model_finds_most_of_the_tumor_and_vessels_of_a_held_out_phantom():
    package = shipped_package()
    assert package.size_bytes < 16e6
    figures = evaluate_five_structures(package, 2, ["ct"])["2 held-out phantoms, ct"]
    assert figures["portal or hepatic vein"]["mean"] > 0.3


def ball_beside_a_liver(depth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares with a tumor of 20 mm radius whose center lies `depth` mm inside the liver's flat surface."""
    k, j, i = np.meshgrid(*[np.arange(40) * 2.0] * 3, indexing="ij")
    liver = i < 40
    ball = (k - 40) ** 2 + (j - 40) ** 2 + (i - 40 + depth) ** 2 < 20**2
    shares = np.zeros((len(CLASSES), *ball.shape), np.float32)
    shares[0], shares[CLASSES.index("tumor")] = ~ball, ball
    return shares, liver, ball


def test_a_tumor_that_the_mask_leaves_out_of_the_liver_belongs_to_it():
    shares, liver, ball = ball_beside_a_liver(12)
    assert (left_out_lesions(shares, list(CLASSES), liver & ~ball, 2.0) == ball).all()


def test_what_lies_beside_the_liver_or_bulges_from_it_does_not_widen_it():
    for depth in (-18, 12):
        shares, liver, ball = ball_beside_a_liver(depth)
        assert (ball & ~liver).any()
        assert not left_out_lesions(shares, list(CLASSES), liver, 2.0).any()


def test_a_liver_without_its_tumor_still_gets_the_tumor(phantom):
    """On the phantom whose mask lacks a tumor of 46 ml, with the shipped network."""
    case = make_liver_phantom(770_000, "ct")
    labels = images.array_of(case.labels)
    tumor = labels == structure("tumor").label
    mask = images.image_like((case.anatomy.liver & ~tumor).astype(np.uint8), case.image)
    segmented = segment_structures(case.image, mask)
    assert any("leaves out were added" in note for note in segmented.notes)
    ours = images.array_of(segmented.labels) == structure("tumor").label
    assert 2 * np.count_nonzero(ours & tumor) / (ours.sum() + tumor.sum()) > 0.8


def test_the_part_of_a_lesion_seen_at_a_second_look_needs_no_contact_with_the_liver():
    shares, liver, ball = ball_beside_a_liver(-12)
    assert not left_out_lesions(shares, list(CLASSES), liver, 2.0).any()
    known = ball & np.roll(liver, 3, axis=2) & ~liver
    assert (left_out_lesions(shares, list(CLASSES), liver, 2.0, known) == ball).all()


def test_the_portal_trunk_is_kept_on_its_way_to_the_liver_but_nothing_that_only_lies_near():
    from LiverPlannerLib.segmentation.five_structures import _trunks

    mask = np.zeros((20, 20, 40), np.uint8)
    mask[..., :20] = 1
    portal, hepatic = structure("portal_vein").label, structure("hepatic_vein").label
    labels = np.zeros(mask.shape, np.uint8)
    labels[10, 10, 15:40] = portal  # runs out of the liver
    labels[4, 4, 22:30] = portal  # lies beside it
    labels[16, 16, 15:40] = hepatic
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing([2.0] * 3)
    kept = _trunks(labels, mask > 0, image)
    assert np.flatnonzero(kept[10, 10]).tolist() == list(range(15, 26))  # 12 mm from the surface at 19.5
    assert not kept[4, 4].any()
    assert not kept[16, 16].any()


def test_a_lesion_in_doubt_is_no_cyst():
    classes = ["background", "portal_vein", "hepatic_vein", "bile_duct", "tumor", "cyst", "inferior_vena_cava"]
    shares = np.full((len(classes), 12, 12, 24), 0.01, np.float32)
    shares[0] = 0.9
    for start, cyst, tumor in ((2, 0.5, 0.4), (14, 0.7, 0.2)):
        shares[0, 3:9, 3:9, start : start + 6] = 0.05
        shares[5, 3:9, 3:9, start : start + 6], shares[4, 3:9, 3:9, start : start + 6] = cyst, tumor
    best = postprocess(shares, classes, [2.0] * 3).argmax(0)
    assert (best[3:9, 3:9, 2:8] == 4).all()
    assert (best[3:9, 3:9, 14:20] == 5).all()
