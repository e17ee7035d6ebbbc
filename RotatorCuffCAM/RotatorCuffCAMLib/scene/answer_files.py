"""The folder of one answer: probabilities, map, cube, scene, picture and report; nothing of it without the rest."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from PreopReviewLib import __version__, images
from PreopReviewLib.errors import PreopError
from PreopReviewLib.progress import Progress, silent, within
from PreopReviewLib.reports import Facts, Page, Picture, Section, Table, View3D, Words
from RotatorCuffCAMLib.cuff import CuffResult, as_dict, write_files
from RotatorCuffCAMLib.localization import DrawnBox, Localization, compare
from RotatorCuffCAMLib.network.activation import ActivationMap
from RotatorCuffCAMLib.scene.shoulder import Look
from RotatorCuffCAMLib.tears import TEAR_CLASSES

BANNER = "Research only: not for diagnosis, not a medical device."
SYNTHETIC = "The model has seen synthetic shoulders only"
MOVIE_SIZE = (480, 450)
"""Pixels."""

FOOTNOTE = "Research only. Not for diagnosis."


@dataclass(frozen=True)
class Drawing:
    """What is drawn of an answer, and how.

    Attributes:
        picture: activation.png, which takes most of the time.
        look: of the shoulder in 3D.
        movie: name of the file of a full turn, e.g. activation.gif; empty for none.
        classes: maps that are drawn side by side, classes.png.
    """

    picture: bool = True
    look: Look = field(default_factory=Look)
    movie: str = ""
    classes: tuple[ActivationMap, ...] = ()


def write_answer(
    image: sitk.Image,
    result: CuffResult,
    folder: Path,
    source: str,
    model: str,
    title: str = "Shoulder",
    box: DrawnBox | None = None,
    drawing: Drawing | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Writes everything; where no scene or picture can be made here, says so in the summary and goes on.

    Args:
        source: what the image is called in the files; a case number rather than a name.
        box: around the tear, as a specialist drew it; the map is compared with it.
        drawing: what is drawn; by default the picture.

    Returns:
        the summary of probabilities.json.
    """
    drawing = drawing or Drawing()
    summary = as_dict(result, source, model)
    summary["missing"] = {}
    where = compare(result.on_source, box) if box else None
    if where is not None:
        summary["localization"] = where.__dict__
    progress(0.1, "Building the scene")
    picture, measures, view = None, None, None
    try:
        picture, measures, view, problem = _scene_files(
            image, result, folder, title, box, drawing or Drawing(), progress
        )
        if problem:
            summary["missing"]["picture"] = problem
    except (PreopError, ImportError) as error:
        summary["missing"]["scene and pictures"] = str(error)
    if measures is not None:
        summary["hot_region"] = measures
    progress(0.9, "Writing the report")
    write_files(result, summary, folder)
    page = _page(result, summary, title, picture, view, where)
    from PreopReviewLib.reports import render

    (folder / "report.html").write_text(render(page), encoding="utf-8")
    return summary


def _scene_files(
    image: sitk.Image,
    result: CuffResult,
    folder: Path,
    title: str,
    box: DrawnBox | None,
    drawing: Drawing,
    progress: Progress,
) -> tuple[Picture | None, dict[str, Any] | None, View3D, str]:
    from PreopReviewLib.scene import files, host, views
    from RotatorCuffCAMLib.scene import nodes as cuff_scene
    from RotatorCuffCAMLib.scene.pictures import answer_picture

    with host.fresh_scene() as scene:
        cuff_nodes = cuff_scene.build_scene(image, result, title, box=box, scene=scene, look=drawing.look)
        measures = None
        if cuff_nodes.region is not None:
            measures = {
                "share": cuff_nodes.region.share,
                "ml": cuff_nodes.region.ml,
                "extent_mm": list(cuff_nodes.region.extent_mm),
                "center_ras": list(cuff_nodes.peak_ras),
                "elsewhere_ml": cuff_nodes.region.elsewhere_ml,
            }
        picture = None
        wanted = drawing.picture or drawing.movie or drawing.classes
        problem = views.rendering_problem() if wanted else ""
        if drawing.picture and not problem:
            progress(0.4, "Drawing the picture")
            path = answer_picture(
                cuff_nodes, folder / "activation.png", title, picture_lines(result, measures), FOOTNOTE
            )
            words = "The activation map inside the shoulder in 3D, and over three slices through its middle"
            picture = Picture(path.read_bytes(), words, "Blue, green, red: percent of the map's maximum.")
        if not problem:
            _draw_more(cuff_nodes, result, folder, title, drawing, within(progress, 0.6, 0.8))
        progress(0.8, "Saving the scene")
        files.write_bundle(scene, folder / "scene.mrb", folder / "activation.png" if picture else None)
        view = _view(image, result, cuff_nodes, picture)
    return picture, measures, view, problem


def _draw_more(
    cuff_nodes: Any, result: CuffResult, folder: Path, title: str, drawing: Drawing, progress: Progress
) -> None:
    """The movie, and the classes side by side."""
    from RotatorCuffCAMLib.scene import classes, movie, pictures
    from RotatorCuffCAMLib.scene.classes_picture import classes_picture

    if drawing.movie:
        frames = []
        for picture in pictures.turning_pixels(cuff_nodes, MOVIE_SIZE):
            frames.append(picture)
            progress(len(frames) / movie.FRAMES, "Drawing the movie")
        movie.write_movie(folder / drawing.movie, frames)
    if drawing.classes:
        progress(0.0, "Drawing the classes")
        beside = classes.add_class_maps(cuff_nodes.activation, drawing.classes)
        try:
            heads = [class_head(result, one) for one in drawing.classes]
            classes_picture(cuff_nodes, beside, folder / "classes.png", title, heads, FOOTNOTE)
        finally:
            classes.remove_class_maps(cuff_nodes.activation)


def class_head(result: CuffResult, one: ActivationMap) -> str:
    """Two lines over one class's map: its probability, and how strong the map is."""
    name = TEAR_CLASSES[one.class_index].name
    top = float(images.array_of(one.image).max())
    suffix = ", predicted" if one.class_index == result.answer.class_index else ""
    strength = "no evidence for it"
    if top > 0:
        strength = f"maximum of the map {top:,.0f}" if top >= 100 else f"maximum of the map {top:.3g}"
    return f"{name}{suffix}\nprobability {result.answer.probabilities[one.class_index]:.2f}; {strength}"


def picture_lines(result: CuffResult, measures: dict[str, Any] | None) -> list[str]:
    """Two lines under a picture's title: what is said, and how large the hot region is."""
    predicted, shown = TEAR_CLASSES[result.answer.class_index], TEAR_CLASSES[result.activation.class_index]
    chance = result.answer.probabilities[predicted.index]
    first = f"Predicted: {predicted.name}, probability {chance:.2f}; a tear of any kind: {result.answer.tear_score:.2f}"
    if result.answer.repetitions > 1:
        first += f" (mean of {result.answer.repetitions} repetitions)"
    second = (
        f"Map of: {shown.name}, {result.activation.method}; a voxel of the map is {result.activation.voxel_mm:.1f} mm"
    )
    if measures:
        width = " × ".join(f"{v:.0f}" for v in measures["extent_mm"])
        second += f"; at least half its maximum: {measures['ml']:.1f} ml, {width} mm (of the map, not of a tear)"
    return [first, second]


_SKIN, _BONE = (0.86, 0.72, 0.62), (0.93, 0.90, 0.80)


def _view(image: sitk.Image, result: CuffResult, cuff_nodes: Any, picture: Picture | None) -> View3D:
    from PreopReviewLib.reports.meshes import Mesh, decimated
    from PreopReviewLib.scene import nodes
    from RotatorCuffCAMLib.scene.context import skin_surface, sphere_surface

    meshes = [Mesh("skin", "Skin", _SKIN, *decimated(skin_surface(image), 20_000), 0.12)]
    if result.guess is not None:
        head = sphere_surface(result.guess.center_lps, result.guess.radius_mm)
        meshes.append(Mesh("humeral", "Humeral head (as found)", _BONE, *decimated(head, 20_000), 0.35))
    if cuff_nodes.hot is not None:
        points, triangles = decimated(nodes.surface_of(cuff_nodes.hot, "hot-region"), 20_000)
        words = f"{cuff_nodes.region.ml:.1f} ml"
        meshes.append(Mesh("hot", "Activation ≥ 50 %", (0.95, 0.35, 0.10), points, triangles, 1.0, words))
    presets = {"All": {m.key: m.opacity for m in meshes}, "Activation": {"hot": 1.0, "humeral": 0.35}}
    return View3D(tuple(meshes), presets, picture)


def _page(
    result: CuffResult,
    summary: dict[str, Any],
    title: str,
    picture: Picture | None,
    view: View3D | None,
    where: Localization | None,
) -> Page:
    when = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    predicted = TEAR_CLASSES[result.answer.class_index]
    sections = [Section("Answer", (_answer_facts(result), _probabilities(result)), columns=2)]
    if picture is not None:
        sections.append(Section("Activation map", (picture,)))
    if view is not None:
        sections.append(Section("In three dimensions", (view,)))
    sections.append(Section("Measures of the map", (_map_facts(result, summary),)))
    if where is not None:
        sections.append(Section("Map and drawn box", (_box_facts(where),)))
    sections.append(Section("Model", _model_facts(summary["model"])))
    if summary["missing"]:
        reasons = tuple(f"{k}: {v}" for k, v in summary["missing"].items())
        sections.append(Section("What could not be produced", (Words(reasons),)))
    synthetic = is_synthetic(summary["model"])
    return Page(
        title=title,
        banner=BANNER,
        sections=tuple(sections),
        subtitle=f"{predicted.name} (probability {result.answer.probabilities[predicted.index]:.2f}), made {when}",
        marks=(SYNTHETIC,) if synthetic else (),
        warnings=tuple(w[0].upper() + w[1:] + "." for w in result.warnings),
        footer=(f"PreopReview {__version__}, {when}. This file opens without a network.",),
    )


def is_synthetic(model: str) -> bool:
    """Whether a model was trained on synthetic shoulders only, by its card."""
    from PreopReviewLib.models import require_package
    from PreopReviewLib.models.kinds import simulated

    return simulated(require_package(model).metadata)


def _answer_facts(result: CuffResult) -> Facts:
    answer, cube = result.answer, result.cube
    rows = [
        ("Class", TEAR_CLASSES[answer.class_index].name),
        ("Score of any tear", f"{answer.tear_score:.3f}"),
        ("Side", {"R": "Right", "L": "Left (mirrored for the network)"}[cube.side]),
        ("Series", f"{cube.plane}; cube of {cube.edge_mm:.0f} mm around the head, {cube.inside:.0%} in the image"),
        ("Repetitions", "1 (the network answers the same each time)" if answer.repetitions == 1 else
         f"{answer.repetitions}, the cube moved by up to 3 voxels"),
    ]  # fmt: skip
    if result.guess is not None:
        rows.insert(3, ("Humeral head", f"found automatically, confidence {result.guess.confidence:.2f}"))
    return Facts(tuple(rows))


def _probabilities(result: CuffResult) -> Table:
    spread = result.answer.spread or (None,) * 5
    rows = tuple(
        (c.name, round(p, 4), round(s, 4) if s is not None else None)
        for c, p, s in zip(TEAR_CLASSES, result.answer.probabilities, spread, strict=True)
    )
    notes = ("Sizes after DeOrio and Cofield. Not calibrated on patients.",)
    colors = tuple(c.color for c in TEAR_CLASSES)
    return Table("probabilities", "Probabilities", ("Class", "Probability", "SD"), rows, notes, colors)


def _map_facts(result: CuffResult, summary: dict[str, Any]) -> Facts:
    shown = summary["activation"]
    peak = ", ".join(f"{v:.1f}" for v in shown["peak_ras"])
    rows = [
        ("Class of the map", TEAR_CLASSES[result.activation.class_index].name),
        ("Method", shown["method"]),
        ("A voxel of the map", f"{shown['voxel_mm']:.1f} mm: nothing finer can be seen in it"),
        ("Maximum at (RAS, mm)", peak),
    ]
    hot = summary.get("hot_region")
    if hot:
        width = " × ".join(f"{v:.0f}" for v in hot["extent_mm"])
        rows.append(("At least half the maximum", f"{hot['ml']:.1f} ml, {width} mm, of the map and not of a tear"))
        rows.append(("The same elsewhere", f"{hot['elsewhere_ml']:.1f} ml"))
    return Facts(tuple(rows))


def _box_facts(where: Localization) -> Facts:
    def mm(value: float | None) -> str:
        return "n/a" if value is None else f"{value:.1f} mm"

    return Facts(
        (
            ("Maximum in the box (pointing game)", "yes" if where.pointing else "no"),
            ("Energy in the box", f"{where.energy_inside:.0%}"),
            ("Overlap (IoU) of the box and half the maximum", f"{where.iou:.2f}"),
            ("Centroid to the box's center", mm(where.centroid_mm)),
            ("Maximum to the box's center", mm(where.peak_mm)),
        )
    )


def _model_facts(model: str) -> tuple[Any, ...]:
    from PreopReviewLib.models import require_package

    data = require_package(model).metadata
    rows = [("Model", f"{data['name']} {data['version']}"), ("Intended use", data["intended_use"])]
    figures = (data.get("figures_on_held_out_synthetic_shoulders") or {}).get("classes", {})
    if figures:
        words = ", ".join(f"{k.replace('_', ' ')} {v:.2f}" for k, v in figures.items() if k != "cases")
        rows.append((f"On {figures.get('cases', '?')} held-out synthetic shoulders", words))
    return (Facts((*rows, ("License", data["license"]))),)
