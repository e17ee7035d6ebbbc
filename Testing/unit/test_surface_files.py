"""Surface files: formats, and what their coordinates mean."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from LiverPlannerLib.resection.surface_files import read_surface, resect_by_surface_file
from PreopReviewLib.errors import FileMissing, ImplausibleImage, InputError, UnreadableImage

vtk = pytest.importorskip("vtk")
WRITERS = {".vtk": "vtkPolyDataWriter", ".vtp": "vtkXMLPolyDataWriter", ".stl": "vtkSTLWriter", ".ply": "vtkPLYWriter"}


def written(path, remark: str = "", closed: bool = True, top: float = 6):
    """A box from 1 to 2 along x, 2 to 4 along y, 3 to 6 (or `top`) along z, in the file's coordinates."""
    if closed:
        source = vtk.vtkCubeSource()
        source.SetBounds(1, 2, 2, 4, 3, top)
    else:
        source = vtk.vtkPlaneSource()
    triangles = vtk.vtkTriangleFilter()
    triangles.SetInputConnection(source.GetOutputPort())
    writer = getattr(vtk, WRITERS[path.suffix])()
    if remark:
        writer.SetHeader(f"3D Slicer output. SPACE={remark}")
    writer.SetInputConnection(triangles.GetOutputPort())
    writer.SetFileName(str(path))
    assert writer.Write()
    return path


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_without_a_remark_is_in_lps(tmp_path, suffix):
    points, triangles = read_surface(written(tmp_path / f"box{suffix}"))
    assert len(points) == 8
    assert len(triangles) == 12
    assert points.min(axis=0).tolist() == [-2, -4, 3]
    assert points.max(axis=0).tolist() == [-1, -2, 6]


@pytest.mark.parametrize(("remark", "first"), [("RAS", 1.0), ("LPS", -2.0)])
def test_the_remark_of_slicer_is_obeyed(tmp_path, remark, first):
    points, _ = read_surface(written(tmp_path / "box.vtk", remark))
    assert points[:, 0].min() == first


def test_the_space_can_be_said_instead(tmp_path):
    points, _ = read_surface(written(tmp_path / "box.vtk", "LPS"), space="RAS")
    assert points[:, 0].min() == 1.0


def test_what_is_no_closed_surface_is_refused(tmp_path):
    with pytest.raises(InputError, match="not closed"):
        read_surface(written(tmp_path / "plane.vtk", closed=False))
    with pytest.raises(FileMissing):
        read_surface(tmp_path / "absent.vtk")
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(InputError, match="not a surface file"):
        read_surface(tmp_path / "notes.txt")
    (tmp_path / "empty.vtp").write_text("")
    with pytest.raises(UnreadableImage, match="contains no surface"):
        read_surface(tmp_path / "empty.vtp")


def test_the_real_surfaces_are_closed(shared_data):
    points, triangles = read_surface(shared_data / "liver_anatomy" / "liver.vtk", space="RAS")
    a, b, c = (points[triangles[:, n]] for n in range(3))
    ml = abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6000
    assert ml == pytest.approx(2316, abs=2)


PLY = "ply\nformat ascii 1.0\nelement vertex {}\nproperty float x\nproperty float y\nproperty float z\n"
FACES = "element face {}\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n{}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.ply", PLY.format(999_999_999) + FACES.format(1, "3 0 1 2")),
        ("s.ply", PLY.format(3) + FACES.format(999_999_999, "3 0 1 2")),
        ("s.ply", PLY.format(3) + FACES.format(1, "-3 0 1 2")),
        ("s.ply", PLY.format(3) + FACES.format(1, "3 0 1 999999")),
        ("s.ply", PLY.format(3) + FACES.format(1, "9 0 1 2")),
        ("s.ply", PLY.format(-3) + FACES.format(1, "3 0 1 2")),
        ("s.ply", "ply\nformat ascii 1.0\nelement vertex 999999999\nproperty float x\nend_header\n"),
        ("s.ply", PLY.format(3) + "pro\xd6perty\n" + FACES.format(1, "3 0 1 2")),
        ("s.ply", PLY.format(3).replace("float y", "float q") + FACES.format(1, "3 0 1 2")),
        ("s.ply", PLY.format(3) + FACES.format(1, "3 0 1 2").replace("vertex_indices", "indices")),
        ("s.ply", "ply"),
        ("s.vtk", "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 99999999999 float\n0 0 0\n"),
        ("s.vtk", "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS -5 float\n0 0 0\n"),
    ],
)
def test_counts_that_cannot_be_true_are_refused_before_vtk_reads_them(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UnreadableImage, match=rf"{name} is damaged"):
        read_surface(tmp_path / name)


def legacy(path, binary: bool, version: int):
    """The box as a legacy VTK file of version 4 or 5."""
    written(path)
    reader, writer = vtk.vtkPolyDataReader(), vtk.vtkPolyDataWriter()
    reader.SetFileName(str(path))
    writer.SetInputConnection(reader.GetOutputPort())
    writer.SetFileVersion(42 if version == 4 else 51)
    if binary:
        writer.SetFileTypeToBinary()
    writer.SetFileName(str(path.with_name("s.vtk")))
    assert writer.Write()
    return path.with_name("s.vtk")


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
def test_a_legacy_file_that_lacks_bytes_is_damaged(tmp_path, binary, version):
    whole = legacy(tmp_path / "box.vtk", binary, version)
    assert len(read_surface(whole)[1]) == 12
    raw = whole.read_bytes()
    end = min(raw.index(mark) for mark in (b"POINT_DATA", b"CELL_DATA") if mark in raw)
    for stop in range(raw.index(b"POINTS") + 20, end - 4, 37):  # the last number, cut in two, is another number
        whole.write_bytes(raw[:stop])
        with pytest.raises((UnreadableImage, InputError), match=r"is damaged|contains no surface"):
            read_surface(whole)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"\n1 0 0\n", b"\n 0 0\n", "fewer points"),
        (b"\n1 0 0\n", b"\n1 0 0 0\n", "more points"),
        (b"\n1 0 0\n", b"\n1 nan 0\n", "not a finite number"),
        (b"\n1 0 0\n", b"\n1 x 0\n", "fewer points"),
        (b"\n3 0 1 3\n", b"\n2 0 1 3\n", "do not have the points"),
        (b"\n3 0 1 3\n", b"\n0 0 1 3\n", "do not have the points"),
        (b"\n3 0 1 3\n", b"\n3 0 1 9\n", "does not exist"),
        (b"\n3 0 1 3\n", b"\n3 0 1\n", "fewer points of faces"),
        (b"POLYGONS 4 16", b"POLYGONS 4 15", "more points of faces"),
        (b"POLYGONS 4 16", b"POLYGONS 3 16", "do not have the points"),
        (b"POINTS 4 float", b"POINTS 4 floot", "unknown type"),
        (b"4 16\n3 0 2 1\n", b"4 15\n2 0 1\n", "has 2 points"),
    ],
)
def test_a_legacy_file_that_contradicts_itself_is_damaged(tmp_path, old, new, words):
    text = b"# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 4 float\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n"
    text += b"POLYGONS 4 16\n3 0 2 1\n3 0 1 3\n3 0 3 2\n3 1 2 3\n"
    (tmp_path / "s.vtk").write_bytes(text)
    assert len(read_surface(tmp_path / "s.vtk")[1]) == 4
    assert text.count(old) == 1
    (tmp_path / "s.vtk").write_bytes(text.replace(old, new))
    with pytest.raises(UnreadableImage, match=words):
        read_surface(tmp_path / "s.vtk")


@pytest.fixture
def liver() -> sitk.Image:
    """A block of liver about (60, 80, 100) LPS mm, voxels of 2 mm."""
    image = sitk.GetImageFromArray(np.ones((30, 30, 30), np.uint8))
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetOrigin((30.0, 50.0, 70.0))
    return image


def ball(path, space="LPS", unit=1.0, remark=""):
    """10 mm about (60, 80, 100) LPS, written in a space and unit."""
    source = vtk.vtkSphereSource()
    source.SetRadius(10.0)
    source.SetThetaResolution(48)
    source.SetPhiResolution(48)
    mover, move = vtk.vtkTransformPolyDataFilter(), vtk.vtkTransform()
    if space == "RAS":
        move.Scale(-1, -1, 1)
    move.Scale(1 / unit, 1 / unit, 1 / unit)
    move.Translate(60, 80, 100)
    mover.SetTransform(move)
    mover.SetInputConnection(source.GetOutputPort())
    writer = vtk.vtkSTLWriter()
    writer.SetFileTypeToBinary()
    writer.SetHeader(remark or "exported")
    writer.SetInputConnection(mover.GetOutputPort())
    writer.SetFileName(str(path))
    assert writer.Write()
    return path


def test_a_surface_without_a_remark_is_cut_as_lps_mm_and_the_note_says_so(tmp_path, liver):
    cut = resect_by_surface_file(liver, ball(tmp_path / "ball.stl"))
    assert cut.resected_ml == pytest.approx(4.0, rel=0.05)
    assert "ball.stl does not state" in cut.notes[0]
    assert "LPS in mm" in cut.notes[0]


@pytest.mark.parametrize(
    ("space", "unit", "words"),
    [
        ("RAS", "mm", "space RAS, unit mm"),
        ("LPS", "cm", "space LPS, unit cm"),
        ("RAS", "cm", "space RAS, unit cm"),
        ("LPS", "m", "space LPS, unit m"),
    ],
)
def test_another_space_or_unit_is_refused_by_name_and_can_be_said(tmp_path, liver, space, unit, words):
    mm = {"mm": 1, "cm": 10, "m": 1000}[unit]
    path = ball(tmp_path / "ball.stl", space, mm)
    with pytest.raises(InputError, match="ball.stl was taken as LPS in mm") as raised:
        resect_by_surface_file(liver, path)
    assert words in raised.value.remedy
    cut = resect_by_surface_file(liver, path, space, unit)
    assert cut.resected_ml == pytest.approx(4.0, rel=0.05)
    assert not any("does not state" in note for note in cut.notes)
    marked = ball(tmp_path / "marked.stl", space, mm, f"SPACE={space} UNIT={unit}")
    assert resect_by_surface_file(liver, marked).resected_ml == pytest.approx(4.0, rel=0.05)


def test_a_surface_elsewhere_in_every_reading_is_refused_without_a_guess(tmp_path, liver):
    liver.SetOrigin((500.0, 900.0, 70.0))
    with pytest.raises(InputError, match="taken as LPS in mm") as raised:
        resect_by_surface_file(liver, ball(tmp_path / "ball.stl"))
    assert "belongs to this image" in raised.value.remedy


def test_an_open_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"plane.vtk is not closed: 4 of its edges"):
        read_surface(written(tmp_path / "plane.vtk", closed=False))


def test_a_point_that_lies_in_no_patient_is_refused(tmp_path):
    path = written(tmp_path / "box.vtk", top=4e9)
    with pytest.raises(ImplausibleImage, match=r"box\.vtk has a point that is 4000000 m from the origin"):
        read_surface(path)
