"""The pictures of a liver report: 3D view, slices, and the figures of the measures."""

from __future__ import annotations

import SimpleITK as sitk

from LiverPlannerLib.plan.measures import center_of_interest
from LiverPlannerLib.report.measures import Measures
from LiverPlannerLib.structures import STRUCTURES, mask_of, structure
from PreopReviewLib import images
from PreopReviewLib.images.windows import gray_window
from PreopReviewLib.reports import Picture, SliceStack, View3D
from PreopReviewLib.reports.meshes import Mesh, mesh_of_mask
from PreopReviewLib.reports.page import picture
from PreopReviewLib.reports.slice_pictures import Outline, axial_series, axial_stack, three_planes

GLASS = 0.18
RESECTED = (0.80, 0.25, 0.20)
MAX_REGION_FIGURES = 12
_TRIANGLES = {"liver": 40_000, "tumor": 12_000, "cyst": 12_000}


def view3d(measures: Measures, fallback: Picture | None = None) -> View3D:
    """Every structure that occurs, and the side of a resection that is taken.

    Raises:
        ImportError: VTK is not installed.
    """
    meshes = [_mesh(measures, s.key) for s in STRUCTURES if measures.volumes_ml.get(s.key, 0) > 0]
    if measures.resection is not None and measures.resection.resected_ml > 0:
        value = f"{measures.resection.resected_ml:.0f} ml"
        meshes.append(
            mesh_of_mask(measures.resection.resected, "resected", "Resected part", RESECTED, opacity=0.35, value=value)
        )
    keys = [m.key for m in meshes]
    return View3D(tuple(meshes), _presets(keys), fallback)


def _mesh(measures: Measures, key: str) -> Mesh:
    s = structure(key)
    ml = measures.volumes_ml[key]
    return mesh_of_mask(
        mask_of(measures.labels, key),
        key,
        s.name,
        s.color,
        opacity=GLASS if key == "liver" else 1.0,
        value=f"{ml:.0f} ml" if ml >= 10 else f"{ml:.1f} ml",
        smoothing=s.smoothing,
        max_triangles=_TRIANGLES.get(key, 30_000),
    )


def _presets(keys: list[str]) -> dict[str, dict[str, float]]:
    """What a surgeon wants to see at once; presets that would show nothing of their own are left out."""
    kinds = {s.key: s.kind for s in STRUCTURES}
    vessels = [k for k in keys if kinds.get(k) in ("vessel", "duct")]
    lesions = [k for k in keys if kinds.get(k) in ("lesion", "candidate")]
    whole = [k for k in keys if k != "resected"]
    presets = {"Liver as glass": {k: GLASS if k == "liver" else 1.0 for k in whole}}
    if vessels:
        presets["Vessels and ducts"] = dict.fromkeys(vessels, 1.0)
    if lesions:
        presets["Lesions"] = {"liver": 0.10, **dict.fromkeys(vessels, 0.25), **dict.fromkeys(lesions, 1.0)}
    presets["Solid"] = dict.fromkeys(whole, 1.0)
    if "resected" in keys:
        presets["Resection"] = {**presets["Liver as glass"], "resected": 0.35}
    return presets


def slices(measures: Measures) -> tuple[Picture, SliceStack, Picture]:
    """Three planes through the largest lesion (else the liver), slices to scroll through, and a series for print."""
    outlines = [
        Outline(mask_of(measures.labels, s.key), s.color) for s in STRUCTURES if measures.volumes_ml.get(s.key, 0) > 0
    ]
    window = gray_window(measures.image, measures.modality)
    center = center_of_interest(measures.labels)
    names = ", ".join(s.name.lower() for s in STRUCTURES if measures.volumes_ml.get(s.key, 0) > 0)
    where = "the largest lesion" if measures.regions else "the middle of the liver"
    planes = picture(
        three_planes(measures.image, outlines, center, window),
        f"Axial, coronal and sagittal slice with outlines of {names}",
        f"Through {where}. Radiological convention: the patient's right is on the left.",
        photo=True,
    )
    series = picture(
        axial_series(measures.image, outlines, window),
        f"Axial slices from top to bottom with outlines of {names}",
        "Axial slices at equal distances, from superior to inferior.",
        dpi=90,
        photo=True,
    )
    return planes, axial_stack(measures.image, outlines, window, center), series


def trees(measures: Measures) -> list[Picture]:
    """The centerlines of each tree."""
    from LiverPlannerLib.vessels.report import tree_figure

    return [
        picture(tree_figure(tree), f"Centerlines of the {structure(tree.structure).name.lower()}", dpi=80)
        for tree in measures.trees
    ]


def cyst_overview(measures: Measures) -> list[Picture]:
    """All regions of the cyst filter in one figure."""
    from LiverPlannerLib.cysts.report import overview_figure

    if measures.cysts is None or not measures.cysts.regions:
        return []
    return [picture(overview_figure(measures.cysts), "Fitted Gaussians and core medians of all lesions", dpi=85)]


def cyst_regions(measures: Measures) -> list[Picture]:
    """Histogram and fit of each region, the largest first."""
    from LiverPlannerLib.cysts.report import region_figure

    if measures.cysts is None:
        return []
    largest = sorted(measures.cysts.regions, key=lambda r: -r.voxels)[:MAX_REGION_FIGURES]
    return [
        picture(region_figure(measures.cysts, r.id), f"Histogram and fit of region {r.id}: {r.decision}", dpi=70)
        for r in largest
    ]


def comparison(measures: Measures) -> list[Picture]:
    """Where the two segmentations agree and differ."""
    from LiverPlannerLib.comparison.figure import comparison_figure

    if measures.comparison is None or all(r.overlap.state == "both empty" for r in measures.comparison.rows):
        return []
    figure = comparison_figure(
        measures.comparison, measures.image, "This segmentation (automatic) against the other (manual)"
    )
    return [picture(figure, "Slices with agreement and differences of both segmentations", dpi=90, photo=True)]


def geometry_words(image: sitk.Image) -> str:
    """Size and spacing, for people."""
    size = " × ".join(map(str, image.GetSize()))
    spacing = " × ".join(f"{v:.3g}" for v in image.GetSpacing())
    return f"{size} voxels of {spacing} mm ({images.voxel_ml(image) * 1000:.3g} mm³ each)"
