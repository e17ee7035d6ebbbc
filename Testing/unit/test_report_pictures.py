"""What a report shows: figures, meshes of the 3D view, and slices."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import SimpleITK as sitk
from report_samples import a_stack, ball

from PreopReviewLib import images
from PreopReviewLib.reports.meshes import Mesh
from PreopReviewLib.reports.page import picture
from PreopReviewLib.reports.slice_pictures import Outline, axial_series, three_planes


def test_figures_carry_no_metadata():
    from matplotlib.figure import Figure

    data = picture(Figure(figsize=(1, 1)), "nothing").data
    assert b"tEXt" not in data
    assert b"Software" not in data


# ---- meshes ----


def test_packed_meshes_lie_where_they_were():
    mesh = ball("a", (-140, 33, 1200), 80)
    data = mesh.as_data()
    packed = np.frombuffer(base64.b64decode(data["points"]), "<u2").reshape(-1, 3)
    assert np.abs(packed * np.array(data["step"]) + data["low"] - mesh.points).max() < 0.01
    index = np.frombuffer(base64.b64decode(data["triangles"]), "<u2").reshape(-1, 3)
    assert (index == mesh.triangles).all()


def test_decimation_keeps_volume_and_place():
    pytest.importorskip("vtk")
    from PreopReviewLib.reports.meshes import mesh_of_mask

    grid = np.indices((60, 60, 60)).transpose(1, 2, 3, 0)
    inside = np.linalg.norm(grid - 30, axis=-1) < 24
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.SetOrigin((10, 20, 30))
    whole = mesh_of_mask(mask, "a", "A", (1, 0, 0), max_triangles=10**9)
    few = mesh_of_mask(mask, "a", "A", (1, 0, 0), max_triangles=2000)
    assert len(whole.triangles) > 4 * len(few.triangles)
    assert len(few.triangles) <= 2000
    assert volume(few) == pytest.approx(volume(whole), rel=0.01)
    radii = np.linalg.norm(few.points - (-40, -50, 60), axis=1)
    assert radii.min() > 22.5
    assert radii.max() < 24.5


def volume(mesh: Mesh) -> float:
    a, b, c = (mesh.points[mesh.triangles[:, n]].astype(float) for n in range(3))
    return abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6)


# ---- slices ----


def pixels(figure) -> np.ndarray:
    from PIL import Image

    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=50)
    return np.asarray(Image.open(buffer).convert("RGB")).astype(int)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SLA"])
def test_the_patients_right_is_on_the_left_and_anterior_above(axes):
    array = np.zeros((24, 30, 36), np.float32)  # LPS: S, P, L
    array[12, 6:9, 5:8] = 1000  # anterior and right
    image = images.orient(sitk.GetImageFromArray(array), axes)
    mask = images.image_like(np.ones(images.array_of(image).shape, np.uint8), image)
    where = images.kji_to_ras(np.array([[12, 7, 6]]), sitk.GetImageFromArray(array))[0]
    figure = three_planes(image, [Outline(mask, (1, 0, 0))], where, (1000, 500))
    seen = pixels(figure)
    wide = round(seen.shape[1] * 36 / (36 + 36 + 30))
    bright = np.argwhere(seen[:, : wide - 8].min(axis=2) > 200)
    bright = bright[(bright[:, 0] > 30) & (bright[:, 1] > 20)]  # not the letters
    inside = np.median(bright, axis=0) / (seen.shape[0], wide)
    assert inside[1] < 0.4
    assert inside[0] < 0.5


def test_a_series_goes_from_top_to_bottom():
    array = np.zeros((20, 16, 16), np.uint8)
    array[4:16, 4:12, 4:12] = 1
    mask = sitk.GetImageFromArray(array)
    figure = axial_series(sitk.Cast(mask, sitk.sitkFloat32), [Outline(mask, (0, 1, 0))], (1, 0.5), count=4)
    places = [float(re.search(r"[SI] (\d+)", a.texts[0].get_text())[1]) for a in figure.axes]
    assert places == [15, 11, 8, 4] or places == sorted(places, reverse=True)
    assert len(places) == 4


def test_a_stack_goes_from_top_to_bottom_and_starts_where_it_matters():
    from PIL import Image

    stack = a_stack()
    gray = np.asarray(Image.open(io.BytesIO(stack.gray.data))).astype(int)
    drawn = np.asarray(Image.open(io.BytesIO(stack.outlines.data)))
    width, height = stack.size
    assert gray.shape == (height * len(stack.positions), width)
    assert drawn.shape == (*gray.shape, 4)
    levels = gray.reshape(len(stack.positions), -1).mean(axis=1)
    assert (np.diff(levels) < 0).all(), "superior, the brighter one, comes first"
    places = [float(p.split()[1]) for p in stack.positions]
    assert places == sorted(places, reverse=True)
    assert abs(places[stack.start] - 50) <= 10
    shown = drawn[stack.start * height : (stack.start + 1) * height]
    columns = np.flatnonzero((shown[..., 3] > 0).any(axis=0))
    assert columns.size
    assert columns.mean() < width / 2, "the patient's right is on the left"
    assert (shown[shown[..., 3] > 0][:, :3] == (255, 0, 0)).all()
    assert b"tEXt" not in stack.outlines.data
    assert b"Exif" not in stack.gray.data
