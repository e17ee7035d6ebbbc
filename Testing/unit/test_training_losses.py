"""Losses by their known values."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from PreopReviewLib.errors import InputError  # noqa: E402
from PreopReviewLib.phantoms.tissues import UNSCORED  # noqa: E402
from PreopReviewLib.training.evaluate import predicted_classes  # noqa: E402
from PreopReviewLib.training.losses import build_loss, cl_dice_loss, over_scales, soft_skeleton  # noqa: E402


def target_and_perfect_logits(classes=3, edge=8):
    torch.manual_seed(0)
    target = torch.randint(0, classes, (2, edge, edge, edge), dtype=torch.uint8)
    logits = torch.nn.functional.one_hot(target.long(), classes).movedim(-1, 1).float() * 40 - 20
    return target, logits


LOSSES = [("region", {"weights": [1.0, 1.0, 1.0]}), ("dice", {}), ("dice", {"background": True})]


@pytest.mark.parametrize(("name", "arguments"), LOSSES)
def test_a_perfect_answer_costs_nothing_and_a_wrong_one_much(name, arguments):
    target, logits = target_and_perfect_logits()
    loss = build_loss(name, arguments)
    assert loss(logits, target) < 1e-3
    assert loss(-logits, target) > 0.5


def test_nested_regions_cost_nothing_when_both_are_right():
    target, _ = target_and_perfect_logits()
    loss = build_loss("nested", {"regions": [[1, 2], [2]]})
    logits = torch.stack([(target > 0).float(), (target == 2).float()], 1) * 40 - 20
    assert loss(logits, target) < 1e-3
    assert loss(-logits, target) > 5


@pytest.mark.parametrize(("name", "arguments"), [*LOSSES, ("nested", {"regions": [[1, 2], [2], [1]]})])
def test_unscored_voxels_change_neither_loss_nor_gradient(name, arguments):
    target, logits = target_and_perfect_logits()
    target[:, :3] = UNSCORED
    loss = build_loss(name, arguments)
    logits = (logits * 0.05).requires_grad_()
    value = loss(logits, target)
    value.backward()
    assert logits.grad[:, :, :3].abs().max() == 0
    changed = logits.detach().clone()
    changed[:, :, :3] = 7
    assert loss(changed, target) == pytest.approx(value.item(), abs=1e-6)


def test_a_batch_without_any_structure_has_a_finite_gradient():
    logits = torch.zeros(1, 3, 4, 4, 4, requires_grad=True)
    target = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    build_loss("region", {"weights": [1.0, 1.0, 1.0]})(logits, target).backward()
    assert torch.isfinite(logits.grad).all()


def test_the_soft_skeleton_of_a_bar_is_its_middle():
    mask = torch.zeros(1, 1, 9, 9, 20)
    mask[..., 3:6, 3:6, 2:18] = 1
    line = soft_skeleton(mask, 4)
    assert line[0, 0, 4, 4, 5:15].min() == 1
    assert line[0, 0, 3, 3, 5:15].max() == 0


def test_a_broken_tube_costs_more_cl_dice_than_a_thinned_one():
    truth = torch.zeros(1, 1, 11, 11, 40)
    truth[..., 3:8, 3:8, :] = 1
    thin = torch.zeros_like(truth)
    thin[..., 4:7, 4:7, :] = 1
    broken = truth.clone()
    broken[..., 12:28] = 0
    assert cl_dice_loss(thin, truth) < cl_dice_loss(broken, truth)


def test_deep_supervision_weighs_the_scales():
    target, logits = target_and_perfect_logits()
    loss = build_loss("dice", {})
    half = logits[:, :, ::2, ::2, ::2]
    assert over_scales(loss, [logits, half], target, [0.5, 0.5]) < 1e-3
    small = target[:, ::2, ::2, ::2]
    expected = 0.25 * float(loss(-half, small))
    assert float(over_scales(loss, [logits, -half], target, [0.75, 0.25])) == pytest.approx(expected, abs=1e-3)


def test_nested_logits_become_exclusive_classes():
    logits = torch.tensor([[1.0, 1.0, -1.0, -1.0], [1.0, -1.0, 1.0, -1.0]]).reshape(2, 4, 1, 1)
    assert predicted_classes(logits, [[1, 2], [2]]).ravel().tolist() == [2, 1, 0, 0]


def test_an_unknown_loss_is_named():
    with pytest.raises(InputError, match="focal"):
        build_loss("focal", {})


def test_each_supervised_scale_is_taken_at_its_own_resolution():
    from monai.networks.nets import DynUNet

    from PreopReviewLib.training.segmentation_loss import supervised_outputs

    network = DynUNet(
        spatial_dims=3, in_channels=1, out_channels=2, kernel_size=[3] * 4, strides=[1, 2, 2, 2],
        upsample_kernel_size=[2] * 3, filters=[4] * 4, deep_supervision=True, deep_supr_num=2,
    ).train()  # fmt: skip
    outputs = supervised_outputs(network, network(torch.zeros(1, 1, 16, 16, 16)))
    assert [tuple(o.shape[2:]) for o in outputs] == [(16,) * 3, (8,) * 3, (4,) * 3]


def test_the_background_is_a_class_of_the_nested_dice():
    from PreopReviewLib.training.losses import nested_loss

    target = torch.zeros(1, 4, 4, 4, dtype=torch.uint8)
    target[:, :2] = 1
    right = torch.where(target[:, None] > 0, 20.0, -20.0).repeat(1, 2, 1, 1, 1)
    right[:, 1] = -20.0
    for background in (False, True):
        assert nested_loss(right, target, [[1, 2], [2]], background) < 0.01
    wrong = torch.full_like(right, 20.0)
    wrong[:, 1] = -20.0
    with_it, without = (nested_loss(wrong, target, [[1, 2], [2]], b) for b in (True, False))
    assert with_it > without
