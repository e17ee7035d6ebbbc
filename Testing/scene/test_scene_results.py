"""Planes, curves, branches, comparisons and tables in the scene, and back from a saved one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from LiverPlannerLib import measure_tasks
from LiverPlannerLib.comparison.columns import COLUMNS, shown_row
from LiverPlannerLib.resection.cutting import Plane, resect_by_planes, resect_by_remnant
from LiverPlannerLib.resection.live_cut import LiveCut
from LiverPlannerLib.resection.volumetry import Patient, volumetry
from LiverPlannerLib.scene.branches import COLUMNS as BRANCH_COLUMNS
from LiverPlannerLib.scene.branches import branch_rows, show_branches
from LiverPlannerLib.scene.comparison import (
    Pair,
    choose_differences,
    effort_words,
    show_differences,
)
from LiverPlannerLib.scene.measures import volume_rows
from LiverPlannerLib.scene.plan_tables import VOLUME_COLUMNS
from LiverPlannerLib.scene.planes import add_plane, cut_by_drawn, cut_by_planes, flip, plane_of, show_sides
from LiverPlannerLib.scene.segments import SegmentVoxels, segment_specs
from LiverPlannerLib.scene.tables import Column, csv_text, place_beside, read_table, write_csv, write_table
from LiverPlannerLib.structures import mask_of
from LiverPlannerLib.vessels.trees import load_tree
from PreopReviewLib import images
from PreopReviewLib.errors import GeometryError, InputError, OutputError
from PreopReviewLib.progress import CancelToken, silent
from PreopReviewLib.scene import files, nodes
from PreopReviewLib.worker_io import load_image, save_image


@pytest.fixture
def plan(scene, labels):
    return nodes.add_segmentation(scene, labels, segment_specs(), "plan")


@pytest.fixture
def voxels(plan):
    return SegmentVoxels(plan)


def center_of(labels) -> np.ndarray:
    liver = np.argwhere(images.array_of(mask_of(labels, "liver")))
    return images.kji_to_ras(liver, labels).mean(axis=0)


# ---- planes ----


def test_a_plane_in_the_scene_is_the_plane_that_was_added(scene):
    node = add_plane(scene, (3.0, -4.0, 5.0), 80.0, (0.0, 0.6, 0.8))
    plane = plane_of(node)
    # Its handle is at the border, so that it does not cover the liver.
    assert np.dot(np.subtract(plane.point, (3.0, -4.0, 5.0)), plane.normal) == pytest.approx(0, abs=1e-6)
    assert plane.normal == pytest.approx((0.0, 0.6, 0.8))
    flip(node)
    assert plane_of(node).normal == pytest.approx((0.0, -0.6, -0.8))


def test_live_volumes_are_those_of_the_resection(labels):
    live = LiveCut(labels)
    assert live.center_ras == pytest.approx(center_of(labels), abs=1e-3)
    point = tuple(center_of(labels) + [0.37, 0.21, 0.11])  # through no voxel's center
    planes = [Plane(point, (1.0, 0.3, 0.1)), Plane(point, (0.0, 0.2, 1.0))]
    for chosen in (planes[:1], planes):
        cut, now = resect_by_planes(labels, chosen), live.cut(chosen)
        assert now.resected_ml == pytest.approx(cut.resected_ml)
        assert now.remnant_ml == pytest.approx(cut.remnant_ml)
        assert now.tumor_remnant_ml == pytest.approx(cut.tumor_ml - cut.tumor_resected_ml)
        flr = volumetry(labels, remnant=cut.remnant).remnant
        assert now.functional_remnant_ml == pytest.approx(flr.ml)
        assert now.remnant_share == pytest.approx(flr.to_functional)


def test_cutting_a_cropped_label_image_changes_nothing(scene, voxels, labels):
    node = add_plane(scene, center_of(labels), 100.0)
    assert cut_by_planes(voxels.labels(), [node]).resected_ml == pytest.approx(
        resect_by_planes(labels, [plane_of(node)]).resected_ml
    )


def test_an_unplaced_plane_and_no_plane_are_said(scene, labels):
    empty = scene.AddNewNodeByClass("vtkMRMLMarkupsPlaneNode", "P")
    with pytest.raises(InputError, match="'P' is not placed yet"):
        cut_by_planes(labels, [empty])
    with pytest.raises(InputError, match="no cut plane"):
        cut_by_planes(labels, [])


def test_a_flat_curve_around_the_liver_cuts_as_its_plane_and_flipped_takes_the_rest(scene, labels):
    import vtk

    center = center_of(labels) + [8.0, 0, 0]
    curve = scene.AddNewNodeByClass("vtkMRMLMarkupsClosedCurveNode", "curve")
    for angle in np.linspace(0, 2 * math.pi, 12, endpoint=False):
        point = center + 120.0 * np.array([0.0, math.cos(angle), math.sin(angle)])  # around the liver
        curve.AddControlPointWorld(vtk.vtkVector3d(*point))
    by_plane = resect_by_planes(labels, [Plane(tuple(center), (1.0, 0.0, 0.0))])
    cut = cut_by_drawn(labels, curve)
    assert cut.resected_ml == pytest.approx(by_plane.resected_ml, rel=0.01)
    assert cut.method == "a drawn curve"
    other = cut_by_drawn(labels, curve, flipped=True)
    assert other.resected_ml == pytest.approx(cut.remnant_ml)


def test_a_bent_curve_cuts_along_its_bend(scene, labels):
    """Points on a paraboloid: voxels just on either side of it are told apart."""
    import vtk

    center = center_of(labels)
    curve = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "points")

    def height(y, z):
        return 0.008 * (y * y + z * z)

    for y in np.linspace(-40, 40, 5):
        for z in np.linspace(-40, 40, 5):
            curve.AddControlPointWorld(vtk.vtkVector3d(*(center + [height(y, z), y, z])))
    cut = cut_by_drawn(labels, curve)
    taken = images.array_of(cut.resected) > 0
    liver = np.argwhere(images.array_of(mask_of(labels, "liver")))
    x, y, z = (images.kji_to_ras(liver, labels) - center).T
    beyond = x > height(y, z)
    clear = np.abs(x - height(y, z)) > 3.0
    agree = taken[tuple(liver.T)] == beyond
    assert max(agree[clear].mean(), 1 - agree[clear].mean()) > 0.99


def test_a_closed_model_takes_its_inside_also_under_a_transform(scene, labels):
    import vtk

    ball = vtk.vtkSphereSource()
    ball.SetRadius(18)
    ball.SetThetaResolution(40)
    ball.SetPhiResolution(40)
    ball.Update()
    node = scene.AddNewNodeByClass("vtkMRMLModelNode", "ball")
    node.SetAndObservePolyData(ball.GetOutput())
    move = scene.AddNewNodeByClass("vtkMRMLTransformNode", "move")
    matrix = vtk.vtkTransform()
    matrix.Translate(*center_of(labels))
    move.SetMatrixTransformToParent(matrix.GetMatrix())
    node.SetAndObserveTransformNodeID(move.GetID())
    assert cut_by_drawn(labels, node).resected_ml == pytest.approx(4 / 3 * math.pi * 18**3 / 1000, rel=0.03)


def test_too_few_points_points_on_a_line_and_no_node_are_said(scene, labels):
    import vtk

    line = scene.AddNewNodeByClass("vtkMRMLMarkupsCurveNode", "line")
    with pytest.raises(InputError, match="0 points; a cut needs three"):
        cut_by_drawn(labels, line)
    for x in (0, 10, 20):
        line.AddControlPointWorld(vtk.vtkVector3d(x, 0, 0))
    with pytest.raises(InputError, match="on one line"):
        cut_by_drawn(labels, line)
    with pytest.raises(InputError, match="No curve or surface is chosen"):
        cut_by_drawn(labels, None)


def test_both_sides_are_shown_and_shown_again_in_the_same_node(scene, voxels, labels):
    node = add_plane(scene, center_of(labels), 100.0)
    cut = cut_by_planes(voxels.labels(), [node])
    shown = show_sides(scene, None, "Resection", voxels.grid, cut)
    assert nodes.segment_keys(shown) == ["remnant", "resected"]
    by_key = {s.key: s.mask for s in nodes.read_segments(shown)}
    assert images.same_grid(by_key["remnant"], labels)
    assert images.array_of(by_key["remnant"]).sum() * images.voxel_ml(labels) == pytest.approx(cut.remnant_ml)
    node.SetCenterWorld(*(center_of(labels) + [10, 0, 0]))
    again = show_sides(scene, shown, "Resection", voxels.grid, cut_by_planes(voxels.labels(), [node]))
    assert again is shown
    by_key = {s.key: s.mask for s in nodes.read_segments(shown)}
    assert images.array_of(by_key["remnant"]).sum() * images.voxel_ml(labels) > cut.remnant_ml


# ---- branches ----


def run(task, parameters, folder):
    return task(parameters, folder, silent, CancelToken())


def test_branches_come_back_from_the_worker_and_are_shown(scene, voxels, tmp_path):
    labels = voxels.labels()
    result = run(measure_tasks.branches, {"labels": save_image(labels, tmp_path, "labels")}, tmp_path)
    assert set(result["trees"]) == {"portal_vein", "hepatic_vein", "bile_duct"}
    trees = {k: load_tree(tmp_path / f, mask_of(labels, k)) for k, f in result["trees"].items()}
    rows = branch_rows(trees)
    total = sum(row["ml"] for row in rows if row["structure"] == "Portal vein")
    assert total == pytest.approx(voxels.volume_ml("portal_vein"))
    node = show_branches(scene, None, "Branches", voxels.grid, trees)
    assert "portal_vein_main" in nodes.segment_keys(node)
    table = write_table(scene, None, "Branches", BRANCH_COLUMNS, rows)
    assert read_table(table, BRANCH_COLUMNS)[0]["main"] is True


def test_a_tree_does_not_fit_another_mask(voxels, labels, tmp_path):
    cropped = voxels.labels()
    result = run(measure_tasks.branches, {"labels": save_image(cropped, tmp_path, "labels")}, tmp_path)
    with pytest.raises(GeometryError, match="another mask"):
        load_tree(tmp_path / result["trees"]["portal_vein"], mask_of(labels, "portal_vein"))


# ---- margins ----


def test_margins_of_the_worker_are_those_of_the_library(scene, labels, tmp_path):
    from LiverPlannerLib.resection.margins import measure_margins

    cut = resect_by_planes(labels, [Plane(tuple(center_of(labels)), (1.0, 0.0, 0.0))])
    records = {"labels": save_image(labels, tmp_path, "labels"), "remnant": save_image(cut.remnant, tmp_path, "r")}
    result = run(measure_tasks.margins, records, tmp_path)
    # The worker has the remnant as voxels, not the plane itself.
    assert result["rows"] == measure_margins(labels, resect_by_remnant(labels, cut.remnant)).as_rows()


# ---- comparison ----


def other_plan(scene, labels, name="manual"):
    array = images.array_of(labels).copy()
    array[10:20, 22:24, 26:29] = 1  # half of the hepatic vein is missed
    array[array == 3] = 1  # no cyst
    return nodes.add_segmentation(scene, images.image_like(array, labels), segment_specs(), name)


def test_two_segmentations_are_compared_and_their_differences_shown(scene, plan, labels, tmp_path):
    reference = other_plan(scene, labels)
    pair = Pair(plan, reference)
    prediction, expected = (save_image(i, tmp_path, str(n)) for n, i in enumerate(pair.labels()))
    how = {"convention": "max-of-two", "tolerance": 2.0, "branches": True}
    result = run(measure_tasks.compare, {"prediction": prediction, "reference": expected, **how}, tmp_path)
    rows = {r["structure"]: r for r in map(shown_row, result["rows"])}
    assert rows["Liver"]["dsc"] == 1.0
    assert rows["Liver cyst"]["state"] == "only here"
    assert 0 < rows["Hepatic vein"]["dsc"] < 1
    assert rows["Portal vein"]["main_dsc"] == 1.0
    assert "hepatic vein" in effort_words(result["rows"])
    node = show_differences(scene, None, "Differences", pair.grid, tmp_path, result["differences"])
    assert nodes.segment_keys(node) == ["cyst_extra", "hepatic_vein_extra"]
    display = node.GetDisplayNode()
    assert not display.GetVisibility()
    choose_differences(node, "cyst", True, True)
    assert display.GetVisibility()
    assert (display.GetSegmentVisibility("cyst_extra"), display.GetSegmentVisibility("hepatic_vein_extra")) == (1, 0)
    choose_differences(node, "cyst", True, False)
    assert not display.GetVisibility()
    extra = next(s for s in nodes.read_segments(node) if s.key == "cyst_extra")
    assert np.array_equal(images.array_of(extra.mask), images.array_of(labels) == 3)


def test_segmentations_on_different_grids_are_compared_on_the_reference(scene, plan, labels, tmp_path):
    coarse = images.resample_spacing(labels, (3.0, 3.0, 4.0), "label")
    reference = nodes.add_segmentation(scene, coarse, segment_specs(), "coarse")
    prediction, expected = Pair(plan, reference).labels()
    assert images.same_grid(prediction, labels)
    assert images.same_grid(expected, coarse)
    records = [save_image(i, tmp_path, str(n)) for n, i in enumerate((prediction, expected))]
    how = {"convention": "pooled", "tolerance": 1.0, "branches": False}
    result = run(measure_tasks.compare, {"prediction": records[0], "reference": records[1], **how}, tmp_path)
    assert result["rows"][0]["dsc"] > 0.9
    assert any("resampled" in note for note in result["notes"])
    difference = load_image(tmp_path, next(iter(result["differences"].values())))
    assert difference.GetSpacing() == pytest.approx(coarse.GetSpacing())


def test_one_segmentation_twice_and_none_are_said(plan):
    with pytest.raises(InputError, match="compared with itself"):
        Pair(plan, plan)
    with pytest.raises(InputError, match="Choose the second one"):
        Pair(plan, None)


def test_segments_of_no_known_structure_are_named(scene, plan, labels):
    reference = other_plan(scene, labels)
    segment = reference.GetSegmentation().GetSegment("portal_vein")
    segment.SetName("Vessel A")
    segment.SetTerminology("")
    assert any("Vessel A of manual" in note for note in Pair(plan, reference).notes())


def test_an_untouched_plan_is_called_so():
    assert "nothing was corrected" in effort_words([{"structure": "liver", "dsc": 1.0}])


# ---- tables ----

SOME = (Column("name", "Name", "text"), Column("ml", "Volume (ml)"), Column("main", "Main", "flag"))
ROWS = [{"name": "A", "ml": 1.25, "main": True}, {"name": "B, ±", "ml": None, "main": False}]


def test_rows_come_back_from_a_table_node(scene):
    node = write_table(scene, None, "T", SOME, ROWS)
    assert read_table(node, SOME) == ROWS
    assert node.GetColumnTitle("ml") == "Volume (ml)"
    again = write_table(scene, node, "T", SOME, ROWS[:1])
    assert again is node
    assert read_table(node, SOME) == ROWS[:1]


def test_a_table_lies_in_the_study_of_what_was_measured(scene, plan):
    study = nodes.put_in_study(scene, [plan], "Case", "Plan")
    table = write_table(scene, None, "T", SOME, ROWS)
    place_beside(scene, table, plan)
    hierarchy = scene.GetSubjectHierarchyNode()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table)) == study


def test_csv_has_empty_cells_where_nothing_is_defined(tmp_path):
    assert csv_text(SOME, ROWS) == 'name,ml,main\nA,1.25,1\n"B, ±",,0\n'
    assert csv_text(SOME, ROWS, "\t", titles=True).startswith("Name\tVolume (ml)\tMain\n")
    path = write_csv(tmp_path / "t.csv", SOME, ROWS, ["a note"])
    assert path.read_text("utf-8-sig").endswith("# a note\n")


def test_a_folder_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_csv(tmp_path / "file" / "t.csv", SOME, ROWS)
    with pytest.raises(OutputError, match="cannot be written"):
        write_csv(tmp_path / "absent" / "t.csv", SOME, ROWS)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_saved_scene_brings_planes_tables_and_volumes_back(scene, plan, voxels, labels, tmp_path):
    plane = add_plane(scene, center_of(labels), 100.0, name="Cut 1")
    cut = cut_by_planes(voxels.labels(), [plane])
    sides = show_sides(scene, None, "Resection", voxels.grid, cut)
    result = volumetry(voxels.labels(), remnant=cut.remnant, patient=Patient(175, 80))
    rows = volume_rows(result)
    write_table(scene, None, "Volumes", VOLUME_COLUMNS, rows)
    write_table(scene, None, "Some", SOME, ROWS)
    assert sides is not None
    bundle = files.write_bundle(scene, tmp_path / "case.mrb")
    scene.Clear(False)
    files.read_bundle(scene, bundle)
    again = SegmentVoxels(scene.GetFirstNodeByName("plan"))
    assert again.volume_ml("liver") == pytest.approx(voxels.volume_ml("liver"))
    node = scene.GetFirstNodeByName("Cut 1")
    back = cut_by_planes(again.labels(), [node])
    assert back.remnant_ml == pytest.approx(cut.remnant_ml, rel=1e-3)
    assert node.GetDisplayNode().GetHandlesInteractive()
    read = read_table(scene.GetFirstNodeByName("Volumes"), VOLUME_COLUMNS)
    assert [r["measure"] for r in read] == [r["measure"] for r in rows]
    assert [r["value"] for r in read] == [pytest.approx(r["value"], rel=1e-5) for r in rows]
    assert read_table(scene.GetFirstNodeByName("Some"), SOME) == ROWS
    assert nodes.segment_keys(scene.GetFirstNodeByName("Resection")) == ["remnant", "resected"]


def test_columns_say_each_convention():
    assert {"hd95_convention", "nsd_tolerance_mm"} <= {c.key for c in COLUMNS}
