"""Vessel trees on tubes of known radius and length: branches, generations, main label, transfer, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.vessels.branches import relabel, split_branches, transfer
from LiverPlannerLib.vessels.report import COLUMNS, rows, tree_figure
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError
from PreopReviewLib.evaluation.overlap import dice

Tube = tuple[tuple[float, float, float], tuple[float, float, float], float]

# In mm along K, J, I: a trunk of 5 mm down K, a child of 4 mm and one of 2 mm, 30 degrees to both sides.
STEM: Tube = ((4, 40, 40), (44, 40, 40), 5.0)
THICK: Tube = ((44, 40, 40), (78, 60, 40), 4.0)
THIN: Tube = ((44, 40, 40), (78, 20, 40), 2.0)
Y = (STEM, THICK, THIN)


def tubes(
    parts: tuple[Tube, ...], spacing: tuple[float, float, float] = (1, 1, 1), size: tuple[float, ...] = (84, 80, 80)
) -> sitk.Image:
    """A mask of tubes; points and size in mm along K, J, I, spacing along K, J, I."""
    counts = np.round(np.array(size) / spacing).astype(int)
    position = np.stack(
        np.meshgrid(*(np.arange(n) * s for n, s in zip(counts, spacing, strict=True)), indexing="ij"), -1
    )
    mask = np.zeros(counts, bool)
    for start, stop, radius in parts:
        a, way = np.array(start, float), np.subtract(stop, start)
        along = np.clip((position - a) @ way / (way @ way), 0, 1)
        mask |= np.linalg.norm(position - a - along[..., None] * way, axis=-1) <= radius
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(tuple(map(float, spacing[::-1])))
    image.SetOrigin((-30.0, 12.0, 400.0))
    return image


def by_radius(tree) -> list:
    return sorted(tree.branches, key=lambda b: -b.radius_mm)


def test_a_y_has_three_branches_of_known_radius_length_and_generation():
    tree = split_branches(tubes(Y))
    stem, thick, thin = by_radius(tree)
    assert len(tree.branches) == 3
    assert [b.radius_mm for b in (stem, thick, thin)] == pytest.approx([5, 4, 2], abs=0.5)
    assert stem.length_mm == pytest.approx(40, abs=7)
    assert thick.length_mm == pytest.approx(np.hypot(34, 20), abs=7)
    assert thin.length_mm == pytest.approx(np.hypot(34, 20), abs=7)
    assert (stem.parent, thick.parent, thin.parent) == (None, stem.id, stem.id)
    assert (stem.generation, thick.generation, thin.generation) == (0, 0, 1)  # the stem goes on past a thin side branch
    assert tree.trunk_mm == pytest.approx([5], abs=0.5)


def test_equal_children_are_both_a_generation_further():
    tree = split_branches(tubes((STEM, THICK, (THIN[0], THIN[1], 3.6))))
    assert sorted(b.generation for b in tree.branches) == [0, 1, 1]


def test_main_is_what_is_thick_enough_and_the_reason_says_so():
    tree = split_branches(tubes(Y))
    stem, thick, thin = by_radius(tree)
    assert (stem.main, thick.main, thin.main) == (True, True, False)
    assert "below 0.6" in thin.reason
    assert split_branches(tubes(Y), alpha=0.3).main_share == pytest.approx(1)


def test_behind_a_narrow_branch_nothing_is_main():
    far: Tube = ((78, 20, 40), (78, 20, 70), 4.5)
    side: Tube = ((70, 24.7, 40), (70, 24.7, 14), 1.6)
    tree = split_branches(tubes((*Y, side, far)))
    place = images.kji_to_ras(np.array([[78.0, 20, 60]]), tubes(Y))
    beyond = tree.branches[tree.branch_of[np.linalg.norm(tree.points - place, axis=1).argmin()] - 1]
    assert beyond.radius_mm > 0.6 * tree.trunk_mm[0]
    assert not beyond.main
    assert "beyond thin branches" in beyond.reason


def test_a_short_narrow_stretch_does_not_end_a_main_branch():
    thick: Tube = ((4, 40, 40), (30, 40, 40), 5.0)
    narrow: Tube = ((30, 40, 40), (50, 40, 40), 2.2)
    wide: Tube = ((50, 40, 40), (80, 40, 40), 4.5)
    twigs = (((32, 40, 40), (32, 40, 70), 1.6), ((46, 40, 40), (46, 40, 70), 1.6))
    tree = split_branches(tubes((thick, narrow, wide, *twigs)))
    main = [b for b in tree.branches if b.main]
    assert any("leads to thicker branches" in b.reason for b in main)
    assert sum(b.length_mm for b in main) == pytest.approx(76, abs=9)


def test_a_thick_loose_piece_is_main_and_a_thin_one_is_not():
    loose = (((4, 8, 8), (4, 72, 8), 4.0), ((78, 8, 74), (78, 72, 74), 1.5))
    tree = split_branches(tubes((*Y, *loose)))
    apart = [b for b in tree.branches if b.generation < 0]
    assert sorted((round(b.radius_mm), b.main) for b in apart) == [(2, False), (4, True)]
    assert "thick enough to be main" in tree.warnings[0]


def test_a_thick_trunk_is_joined_across_a_gap_between_its_walls():
    """Center lines end a radius before the wall, so that those of a thick trunk are farther apart than its pieces."""
    arms = (((70, 40, 40), (78, 70, 40), 4.0), ((70, 40, 40), (78, 10, 40), 4.0))
    tree = split_branches(tubes((((12, 40, 40), (22, 40, 40), 8.0), ((48, 40, 40), (70, 40, 40), 8.0), *arms)))
    assert {b.tree for b in tree.branches} == {1}
    assert "joined" in tree.warnings[0]


def test_a_loose_lump_is_not_main():
    lump: Tube = ((20, 70, 70), (20.5, 70, 70), 4.5)
    lumps = [b for b in split_branches(tubes((*Y, lump))).branches if b.generation < 0]
    assert [b.main for b in lumps] == [False]


@pytest.mark.parametrize("radius", [1.2, 1.6, 2.2, 3.0, 5.0])
def test_radii_of_thin_vessels_on_coarse_voxels_are_not_those_of_a_whole_voxel(radius):
    oblique: Tube = ((6, 10, 14), (76, 66, 70), radius)
    (branch,) = split_branches(tubes((oblique,), (2, 2, 2))).branches
    assert branch.radius_mm == pytest.approx(radius, abs=0.5)


def test_veins_that_join_between_their_ends_have_their_root_there():
    """Both veins taper away from the place where they enter the vena cava together; no end is thick."""
    parts = []
    for n in range(8):
        for side in (-1, 1):
            start, stop = (52.0 - 3 * n, 40.0 + side * 4.5 * n, 40.0), (49.0 - 3 * n, 40 + side * 4.5 * (n + 1), 40.0)
            parts.append((start, stop, 5.0 - 0.45 * n))
    tree = split_branches(tubes(tuple(parts)), "hepatic_vein")
    root = images.ras_to_kji(tree.nodes[tree.branches[0].start], tubes(Y))[0]
    assert root == pytest.approx([52, 40, 40], abs=6)
    assert tree.trunk_mm == pytest.approx([4.5], abs=0.6)


def test_the_generation_rule_takes_generations_zero_and_one():
    tree = split_branches(tubes(Y), rule="generation")
    assert all(b.main for b in tree.branches)


def test_volumes_add_up_and_images_hold_the_branches():
    mask = tubes(Y)
    tree = split_branches(mask)
    array = images.array_of(mask)
    assert sum(b.ml for b in tree.branches) == pytest.approx(array.sum() / 1000)
    ids, main = images.array_of(tree.branch_image), images.array_of(tree.main_image)
    assert np.array_equal(ids > 0, array > 0)
    for branch in tree.branches:
        assert (ids == branch.id).sum() / 1000 == pytest.approx(branch.ml)
        assert set(np.unique(main[ids == branch.id])) == {1 if branch.main else 2}
    assert tree.main_share == pytest.approx((main == 1).sum() / array.sum())


def test_points_are_in_ras_at_the_tubes():
    mask = tubes(Y)
    tree = split_branches(mask)
    kji = images.ras_to_kji(tree.points, mask)
    assert images.array_of(mask)[tuple(np.rint(kji).astype(int).T)].all()
    root = tree.nodes[tree.branches[0].start]
    assert images.ras_to_kji(root, mask)[0] == pytest.approx([4, 40, 40], abs=5)


@pytest.mark.parametrize("spacing", [(3, 1, 1), (1, 1, 2.5), (0.8, 0.8, 0.8), (1.5, 1.5, 1.5)])
def test_the_spacing_changes_neither_branches_nor_millimeters(spacing):
    tree = split_branches(tubes(Y, spacing))
    stem, thick, thin = by_radius(tree)
    assert len(tree.branches) == 3
    assert [b.radius_mm for b in (stem, thick, thin)] == pytest.approx([5, 4, 2], abs=0.8)
    assert [b.main for b in (stem, thick, thin)] == [True, True, False]
    assert thick.length_mm == pytest.approx(np.hypot(34, 20), abs=9)
    kji = images.ras_to_kji(tree.nodes[tree.branches[0].start], tubes(Y, spacing))
    assert kji * spacing == pytest.approx(np.array([[4, 40, 40]]), abs=6)


def test_a_rotated_image_gives_the_same_tree():
    mask = tubes(Y)
    turned = sitk.Image(mask)
    turned.SetDirection((0, -1, 0, 1, 0, 0, 0, 0, 1))
    a, b = (by_radius(split_branches(m)) for m in (mask, turned))
    assert [x.main for x in a] == [x.main for x in b]
    assert [x.radius_mm for x in a] == pytest.approx([x.radius_mm for x in b], abs=0.3)
    assert [x.length_mm for x in a] == pytest.approx([x.length_mm for x in b], abs=3)


@pytest.mark.parametrize("axes", ["RAS", "PIR", "SLA"])
def test_the_order_in_which_a_file_stores_its_axes_changes_nothing(axes):
    mask = tubes(Y)
    stored = images.orient(mask, axes)
    a, b = split_branches(mask), split_branches(stored)
    assert a.branches == b.branches
    assert np.array_equal(a.nodes.round(6), b.nodes.round(6))
    same = images.onto_grid(b.branch_image, mask).labels
    assert np.array_equal(images.array_of(same), images.array_of(a.branch_image))


def test_a_loop_is_opened_where_it_is_thinnest():
    bridge: Tube = ((70, 56, 40), (70, 26, 40), 1.5)
    tree = split_branches(tubes((*Y, bridge)))
    parents = [b.parent for b in tree.branches]
    assert parents.count(None) == 1
    assert all(p is None or p < b.id for p, b in zip(parents, tree.branches, strict=True))
    assert by_radius(tree)[1].radius_mm == pytest.approx(4, abs=0.6)
    assert len(np.flatnonzero(tree.parent_point < 0)) == 1


def test_a_hole_in_the_mask_makes_no_shell():
    mask = tubes(Y)
    array = sitk.GetArrayFromImage(mask)
    array[20:24, 39:42, 39:42] = 0
    holed = images.image_like(array, mask)
    assert len(split_branches(holed).branches) == 3


def test_a_small_gap_is_bridged_and_a_large_one_is_not():
    near: Tube = ((80, 61.5, 40), (83, 63, 40), 4.0)
    broken = tubes((STEM, ((44, 40, 40), (60, 49.4, 40), 4.0), ((68.2, 54.2, 40), (78, 60, 40), 4.0), near))
    assert {b.tree for b in split_branches(broken).branches} == {1}
    apart = tubes((*Y, ((10, 10, 10), (10, 10, 30), 2.0)))
    tree = split_branches(apart)
    loose = [b for b in tree.branches if b.tree == max(x.tree for x in tree.branches) or b.generation == -1]
    assert any(b.generation == -1 and not b.main and "is disconnected from the root" in b.reason for b in loose)
    assert "disconnected from the root" in tree.warnings[0]


def test_each_thick_hepatic_vein_has_a_root_of_its_own():
    veins = tubes((((4, 20, 40), (70, 20, 40), 4.0), ((4, 60, 40), (70, 60, 40), 4.5)))
    assert {b.generation for b in split_branches(veins, "hepatic_vein").branches} == {0}
    assert -1 in {b.generation for b in split_branches(veins, "portal_vein").branches}


def test_a_hepatic_vein_mask_with_the_cava_in_it_is_measured_by_its_veins():
    cava: Tube = ((10, 40, 40), (74, 40, 40), 10.0)
    thick: Tube = ((64, 40, 40), (40, 40, 76), 4.0)
    thin: Tube = ((50, 40, 40), (26, 76, 40), 1.3)
    tree = split_branches(tubes((cava, thick, thin)), "hepatic_vein")
    assert "inferior vena cava" in tree.warnings[0]
    veins = sorted((b for b in tree.branches if b.radius_mm < 7 and b.length_mm > 10), key=lambda b: b.radius_mm)
    assert [b.main for b in veins] == [False, True]
    assert tree.trunk_mm == pytest.approx([4], abs=1)


def test_a_given_root_decides():
    mask = tubes((((4, 40, 40), (78, 40, 40), 4.0),))
    ends = images.kji_to_ras(np.array([[4, 40, 40], [78, 40, 40]], float), mask)
    for end in ends:
        tree = split_branches(mask, roots_ras=end)
        assert np.linalg.norm(tree.nodes[tree.branches[0].start] - end) < 6


def test_the_root_of_a_portal_vein_is_the_thick_end_outside_the_liver():
    mask = tubes((((4, 40, 40), (78, 40, 40), 4.0),))
    liver = np.zeros(mask.GetSize()[::-1], np.uint8)
    for inside in (slice(0, 60), slice(30, 84)):
        part = liver.copy()
        part[inside] = 1
        tree = split_branches(mask, "portal_vein", images.image_like(part, mask))
        root = images.ras_to_kji(tree.nodes[tree.branches[0].start], mask)[0]
        assert (root[0] > 60) == (inside.start == 0)


def test_the_root_of_a_bile_duct_is_low_and_of_a_hepatic_vein_at_the_cava():
    mask = tubes((((4, 40, 40), (78, 40, 40), 4.0),))  # K rises to superior
    low = split_branches(mask, "bile_duct")
    high = split_branches(mask, "hepatic_vein")
    assert low.nodes[low.branches[0].start][2] < high.nodes[high.branches[0].start][2]
    cava = np.zeros(mask.GetSize()[::-1], np.uint8)
    cava[:3, 36:44, 36:44] = 1
    there = split_branches(mask, "hepatic_vein", ivc_mask=images.image_like(cava, mask))
    assert there.nodes[there.branches[0].start][2] == pytest.approx(low.nodes[low.branches[0].start][2])


def test_a_vein_that_is_drawn_thin_at_the_vena_cava_has_its_root_there_all_the_same():
    """Partial volume: the thickest place lies in the middle of the vein, and a thin twig touches the vena cava, too."""
    vein: tuple[Tube, ...] = (((76, 40, 40), (60, 40, 40), 3.2), ((60, 40, 40), (34, 40, 40), 5.0))
    rest: tuple[Tube, ...] = (((34, 40, 40), (6, 40, 40), 3.0), ((34, 40, 40), (76, 66, 40), 1.2))
    mask = tubes((*vein, *rest))
    cava = np.zeros(mask.GetSize()[::-1], np.uint8)
    cava[80:, 20:75, 35:46] = 1
    tree = split_branches(mask, "hepatic_vein", ivc_mask=images.image_like(cava, mask))
    root = images.ras_to_kji(tree.nodes[tree.branches[0].start], mask)[0]
    assert root == pytest.approx([76, 40, 40], abs=6)


def test_a_single_voxel_is_one_branch_without_length():
    array = np.zeros((9, 9, 9), np.uint8)
    array[4, 5, 6] = 1
    tree = split_branches(sitk.GetImageFromArray(array))
    assert len(tree.branches) == 1
    branch = tree.branches[0]
    assert (branch.length_mm, branch.main, branch.parent) == (0, True, None)
    assert images.array_of(tree.main_image).sum() == 1
    assert tree.points[0] == pytest.approx([-6, -5, 4])


@pytest.mark.parametrize("shape", [(2, 2, 2), (1, 1, 5), (3, 3, 3)])
def test_blobs_of_a_few_voxels_at_the_border_are_trees_too(shape):
    array = np.zeros((9, 9, 9), np.uint8)
    array[: shape[0], : shape[1], : shape[2]] = 1
    tree = split_branches(sitk.GetImageFromArray(array))
    assert np.array_equal(images.array_of(tree.main_image) > 0, array > 0)


def test_relabeling_a_branch_changes_it_alone_and_keeps_the_rules_word():
    tree = split_branches(tubes(Y))
    thin = by_radius(tree)[2]
    changed = relabel(tree, {thin.id: "main"})
    assert changed.branch(thin.id).main
    assert changed.branch(thin.id).overridden
    assert "by hand" in changed.branch(thin.id).reason
    assert not tree.branch(thin.id).main
    assert changed.main_share == pytest.approx(1)
    assert (images.array_of(changed.main_image) == 2).sum() == 0
    assert split_branches(tubes(Y), overrides={thin.id: "main"}).branches == changed.branches


@pytest.mark.parametrize("parts", [{99: "main"}, {0: "main"}, {1: "trunk"}])
def test_relabeling_an_unknown_branch_or_part_is_refused(parts):
    with pytest.raises(InputError):
        relabel(split_branches(tubes(Y)), parts)


def test_a_partition_carried_over_to_the_same_mask_is_the_same():
    mask = tubes(Y)
    tree = split_branches(mask)
    assert np.array_equal(images.array_of(transfer(tree, mask)), images.array_of(tree.main_image))


def test_one_partition_puts_the_dice_of_the_whole_between_those_of_the_parts():
    reference, other = tubes(Y), tubes((STEM, (THICK[0], THICK[1], 3.0), ((44, 40, 40), (70, 25, 40), 2.5)))
    tree = split_branches(reference)
    a, b = images.array_of(tree.main_image), images.array_of(moved := transfer(tree, other))
    assert moved.GetSize() == other.GetSize()
    parts = [dice(a == v, b == v) for v in (1, 2)]
    assert min(parts) <= dice(a > 0, b > 0) <= max(parts)


def test_a_partition_goes_to_another_grid_and_to_an_empty_mask():
    tree = split_branches(tubes(Y))
    coarse = transfer(tree, tubes(Y, (2, 2, 2)))
    array = images.array_of(coarse)
    assert array.shape == (42, 40, 40)
    assert (array == 1).sum() / (array > 0).sum() == pytest.approx(tree.main_share, abs=0.05)
    assert images.array_of(transfer(tree, tubes(Y) * 0)).sum() == 0


def test_downstream_is_the_branch_and_all_that_springs_from_it():
    tree = split_branches(tubes((*Y, ((78, 60, 40), (82, 75, 60), 2.0), ((78, 60, 40), (82, 75, 20), 2.0))))
    assert tree.downstream(1) == [b.id for b in tree.branches]
    leaf = max(tree.branches, key=lambda b: b.id)
    assert tree.downstream(leaf.id) == [leaf.id]
    with pytest.raises(InputError):
        tree.downstream(99)


def test_an_empty_or_full_mask_an_absurd_alpha_and_another_grid_are_refused():
    mask = tubes(Y)
    with pytest.raises(InputError, match="empty"):
        split_branches(mask * 0)
    with pytest.raises(InputError, match="fills 100 %"):
        split_branches(mask * 0 + 1)
    for alpha in (0.0, 1.5, -1.0, float("nan")):
        with pytest.raises(InputError, match="is out of range"):
            split_branches(mask, alpha=alpha)
    with pytest.raises(GeometryError):
        split_branches(mask, "portal_vein", tubes(Y, (2, 2, 2)))
    with pytest.raises(InputError, match="Unknown structure"):
        split_branches(mask, "aorta")


def test_rows_and_figure_show_every_branch():
    tree = split_branches(tubes(Y), "portal_vein")
    assert [tuple(r) for r in rows(tree)] == [COLUMNS] * 3
    figure = tree_figure(tree)
    assert "main of 3 branches" in figure.get_suptitle()
    assert len(figure.axes) == 2


def test_the_tree_as_plain_values_goes_through_json():
    import json

    tree = split_branches(tubes(Y), "portal_vein")
    back = json.loads(json.dumps(tree.as_dict(), allow_nan=False))
    assert back["structure"] == "portal_vein"
    assert [b["id"] for b in back["branches"]] == [1, 2, 3]


def test_real_veins_give_one_root_and_shares_like_the_papers(shared_data):
    labels = images.read_labels(shared_data / "liver_anatomy" / "labels_1.5mm.nii.gz")
    array = images.array_of(labels)
    liver = images.image_like(array > 0, labels)
    for key, value, share in (("portal_vein", 4, 0.59), ("hepatic_vein", 3, 0.79)):
        tree = split_branches(images.image_like(array == value, labels), key, liver)
        assert tree.main_share == pytest.approx(share, abs=0.2)  # one patient against a mean of twelve
        assert sum(b.ml for b in tree.branches) == pytest.approx((array == value).sum() * 3.375e-3)
