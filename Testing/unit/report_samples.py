"""A page of a report with everything on it, for the tests of reports."""

from __future__ import annotations

import base64

import numpy as np
import SimpleITK as sitk

from PreopReviewLib import images
from PreopReviewLib.reports import Facts, Page, Picture, Section, SliceStack, Table, View3D, Words
from PreopReviewLib.reports.meshes import Mesh
from PreopReviewLib.reports.slice_pictures import Outline, axial_stack

EVIL = "</script><script>window.hit = 1</script><img src=https://example.org/x.png>"
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


def ball(key: str, center: tuple[float, float, float], radius: float, **more) -> Mesh:
    """A sphere of latitudes and longitudes."""
    n = 24
    theta, phi = np.meshgrid(np.linspace(0, np.pi, n), np.linspace(0, 2 * np.pi, n, endpoint=False), indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1).reshape(-1, 3)
    triangles = []
    for i in range(n - 1):
        for j in range(n):
            a, b = i * n + j, i * n + (j + 1) % n
            triangles += [(a, a + n, b), (b, a + n, b + n)]
    shown = (points * radius + center).astype(np.float32)
    return Mesh(key, more.pop("name", key), more.pop("color", (0.9, 0.2, 0.2)), shown, np.array(triangles), **more)


def a_page(**more) -> Page:
    """Meshes, slices, a table, facts and words, some of which try to be more than text."""
    table = Table("volumes", "Volumes", ("What", "ml"), (("Liver", 1234.5678), (EVIL, None)), ("a note",))
    meshes = (
        ball("glass", (0, 0, 0), 50, opacity=0.2, name=EVIL),
        ball("right", (25, 0, 0), 12, color=(0.1, 0.1, 0.9)),
    )
    presets = {"Zebra": {"right": 1.0}, "All": {"glass": 0.2, "right": 1.0}}
    dot = Picture(base64.b64decode(DOT), "a dot", EVIL)
    sections = (
        Section("Three", (View3D(meshes, presets, dot), a_stack())),
        Section("Numbers", (table, Facts((("Name", EVIL),), "Card"), Words((EVIL,)))),
        Section("Folded", (dot,), folded=True),
    )
    return Page("A case", "Not for clinical use", sections, "", more.pop("marks", ()), warnings=(EVIL,), **more)


def a_stack() -> SliceStack:
    """Slices that grow brighter from bottom to top, with a square to the patient's right."""
    array = np.zeros((20, 24, 30), np.float32)
    array += np.linspace(100, 900, 20)[:, None, None]
    mask = np.zeros(array.shape, np.uint8)
    mask[6:14, 8:16, 4:10] = 1
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((5, 5, 5))
    return axial_stack(image, [Outline(images.image_like(mask, image), (1, 0, 0))], (1000, 500), (-35, -55, 50), 8, 90)
