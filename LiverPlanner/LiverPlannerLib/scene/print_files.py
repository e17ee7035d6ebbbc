"""Closed bodies of a resection for a 3D printer (STL, 3MF) and for augmented reality (glTF)."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import SimpleITK as sitk

from LiverPlannerLib.resection.cutting import Resection
from LiverPlannerLib.scene.export import write_surfaces
from LiverPlannerLib.structures import STRUCTURES, mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.errors import InputError

FORMATS = ("stl", "3mf", "gltf")
_CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
RESECTED = (0.80, 0.25, 0.20)


def write_print_files(
    labels: sitk.Image, resection: Resection, name: str, folder: Path, formats: Sequence[str] = FORMATS
) -> list[str]:
    """Writes remnant, resected part, each vessel, duct and lesion as closed bodies of their own.

    STL is one file per body, 3MF one file with all of them, both in mm (LPS); glTF one file in color, in meters, Y up.

    Returns:
        Names of the files.

    Raises:
        InputError: an unknown format. OutputError: a file cannot be written. ImportError: VTK is not installed.
    """
    unknown = [f for f in formats if f not in FORMATS]
    if unknown:
        raise InputError(f"There is no print format {unknown[0]!r}", f"Choose from {', '.join(FORMATS)}")
    bodies = _bodies(labels, resection)
    written = write_surfaces(bodies, folder, [f for f in formats if f != "3mf"], name)
    if "3mf" in formats:
        write_3mf([(body, surface) for body, _color, surface in bodies], folder / f"{name}.3mf")
        written.append(f"{name}.3mf")
    return written


def _bodies(labels: sitk.Image, resection: Resection) -> list[tuple[str, tuple[float, float, float], Any]]:
    from PreopReviewLib.surfaces import surface_of_mask

    parts = [
        ("Remnant", structure("liver").color, resection.remnant, 0.5),
        ("Resected part", RESECTED, resection.resected, 0.5),
    ]
    parts += [
        (s.name, s.color, mask_of(labels, s.key), 0.3)
        for s in STRUCTURES
        if s.key != "liver" and images.array_of(mask_of(labels, s.key)).any()
    ]
    return [(name, color, surface_of_mask(mask, smoothing)) for name, color, mask, smoothing in parts]


def write_3mf(bodies: Sequence[tuple[str, Any]], path: Path) -> Path:
    """A 3MF package (core specification 1.3) with one object for each body; RAS surfaces are turned to LPS.

    Args:
        bodies: names and vtkPolyData of triangles in RAS mm.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy

    objects, items = [], []
    for number, (name, surface) in enumerate(bodies, 1):
        points = vtk_to_numpy(surface.GetPoints().GetData()) * (-1, -1, 1)
        triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        vertices = "".join(f'<vertex x="{x:.4f}" y="{y:.4f}" z="{z:.4f}"/>' for x, y, z in points)
        faces = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in triangles)
        objects.append(
            f'<object id="{number}" type="model" name={quoteattr(name)}><mesh><vertices>{vertices}</vertices>'
            f"<triangles>{faces}</triangles></mesh></object>"
        )
        items.append(f'<item objectid="{number}"/>')
    model = (
        f'<?xml version="1.0" encoding="UTF-8"?><model unit="millimeter" xml:lang="en-US" xmlns="{_CORE}">'
        f"<resources>{''.join(objects)}</resources><build>{''.join(items)}</build></model>"
    )
    types = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/></Types>'
    )
    relations = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Target="/3D/3dmodel.model" Id="rel0" '
        'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/></Relationships>'
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("[Content_Types].xml", types)
        package.writestr("_rels/.rels", relations)
        package.writestr("3D/3dmodel.model", model)
    return path
