"""What the panel lets the worker process do (`PreopReviewLib.jobs`): plain values and files in, the same out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PreopReviewLib.progress import CancelToken, Progress, within

_networks: dict[str, Any] = {}
"""Networks loaded by this worker, by name: the next case finds them warm."""


def find_head(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Looks for the humeral head.

    Args:
        parameters: ``image`` (a record of `exchange`), ``source``, ``any_plane``.

    Returns:
        ``center_lps``, ``radius_mm``, ``confidence``, ``edge_mm`` of the cube, ``plane``, ``off_degrees``,
        ``warnings``.
    """
    from PreopReviewLib import worker_io
    from RotatorCuffCAMLib import head, region

    progress(0.1, "Locating the humeral head")
    image = worker_io.load_image(folder, parameters["image"])
    warnings = region.require_shoulder_series(image, parameters["source"], parameters["any_plane"])
    guess = head.find_head(image)
    cancel.raise_if_cancelled()
    plane, off = region.series_plane(image)
    return {
        "center_lps": list(guess.center_lps),
        "radius_mm": guess.radius_mm,
        "confidence": guess.confidence,
        "edge_mm": region.default_edge(image),
        "plane": plane,
        "off_degrees": off,
        "warnings": warnings,
    }


def classify(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Classifies a shoulder and computes the activation map of a class; see `cuff.examine`.

    Args:
        parameters: ``image`` (a record of `exchange`), ``source``, ``model``, ``options`` (fields of
            `cuff.CuffOptions`).

    Returns:
        ``summary`` (see `cuff.as_dict`), records of ``activation`` (raw, on its own grid), ``cube`` and ``field``,
        and the ``levels`` of the last (`rendering.fused.field_from`).
    """
    from PreopReviewLib import worker_io
    from RotatorCuffCAMLib.cuff import as_dict, examine
    from RotatorCuffCAMLib.rendering.fused import field_images

    progress(0.0, "Reading the image")
    image = worker_io.load_image(folder, parameters["image"])
    progress(0.05, "Loading the model")
    network = _network(parameters["model"])
    cancel.raise_if_cancelled()
    options = _options(parameters["options"])
    result = examine(image, network, options, parameters["source"], within(progress, 0.1, 0.95))
    cancel.raise_if_cancelled()
    progress(0.95, "Preparing the 3D view")
    packed, levels = field_images(_field(image, result))
    cancel.raise_if_cancelled()
    return {
        "summary": as_dict(result, parameters["source"], parameters["model"]),
        "activation": worker_io.save_image(result.activation.image, folder, "activation"),
        "cube": worker_io.save_image(result.cube.image, folder, "cube"),
        "field": worker_io.save_image(packed, folder, "field"),
        "levels": levels,
    }


def all_maps(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """The activation maps of all classes of one shoulder.

    Args:
        parameters: as for `classify`.

    Returns:
        ``maps``: a list of ``image`` (a record), ``class_index``, ``method``, ``bias``, ``voxel_mm``.
    """
    from PreopReviewLib import worker_io
    from RotatorCuffCAMLib.cuff import examine, maps_of_all

    progress(0.0, "Reading the image")
    image = worker_io.load_image(folder, parameters["image"])
    network, options = _network(parameters["model"]), _options(parameters["options"])
    result = examine(image, network, options, parameters["source"], within(progress, 0.1, 0.6))
    cancel.raise_if_cancelled()
    progress(0.6, "Computing the maps of all classes")
    maps = maps_of_all(network, result)
    return {
        "maps": [
            {
                "image": worker_io.save_image(one.image, folder, f"map{one.class_index}"),
                "class_index": one.class_index,
                "method": one.method,
                "bias": one.bias,
                "voxel_mm": one.voxel_mm,
            }
            for one in maps
        ]
    }


def _field(image: Any, result: Any) -> Any:
    from RotatorCuffCAMLib.network.hot_region import hot_region, percent_map
    from RotatorCuffCAMLib.rendering.fused import make_field
    from RotatorCuffCAMLib.rendering.viewpoint import viewpoint_of

    percent, _top = percent_map(result.activation.image)
    region = hot_region(percent) if result.activation.class_index > 0 else None
    return make_field(image, percent, viewpoint_of(image, result.cube, region))


def report(parameters: dict[str, Any], folder: Path, progress: Progress, cancel: CancelToken) -> dict[str, Any]:
    """Writes the folder of `preop cuff classify`: report, scene, pictures, probabilities, map.

    Args:
        parameters: as for `classify`; ``out`` (the folder to make), ``title``, ``overwrite``, ``box`` (center_lps,
            half_mm, axes; or None), and ``look`` (fields of `scene.shoulder.Look`) of the shoulder in 3D.

    Returns:
        ``files``: names.
    """
    from PreopReviewLib import worker_io
    from PreopReviewLib.output import output_folder
    from RotatorCuffCAMLib.cuff import examine
    from RotatorCuffCAMLib.localization import DrawnBox
    from RotatorCuffCAMLib.scene.answer_files import Drawing, write_answer
    from RotatorCuffCAMLib.scene.shoulder import Look

    image = worker_io.load_image(folder, parameters["image"])
    result = examine(
        image,
        _network(parameters["model"]),
        _options(parameters["options"]),
        parameters["source"],
        within(progress, 0.0, 0.3),
    )
    cancel.raise_if_cancelled()
    box = DrawnBox(**{k: _tuples(v) for k, v in parameters["box"].items()}) if parameters["box"] else None
    with output_folder(parameters["out"], parameters["overwrite"], "cuff classify") as out:
        write_answer(
            image, result, out, parameters["source"], parameters["model"], parameters["title"], box,
            Drawing(look=Look(**parameters["look"])) if parameters.get("look") else None,
            progress=within(progress, 0.3, 1.0),
        )  # fmt: skip
        names = sorted(p.name for p in out.iterdir())
    return {"files": names}


def evaluate_readers(
    parameters: dict[str, Any], _folder: Path, progress: Progress, cancel: CancelToken
) -> dict[str, Any]:
    """Tables 1 to 3 and the rest of `preop cuff evaluate` for a study.

    Args:
        parameters: ``study`` (folder), ``truth`` (CSV), ``out`` (folder to make).

    Returns:
        ``columns`` and ``rows`` of each reader's figures, ``statements``, ``warnings``.
    """
    from PreopReviewLib.output import output_folder
    from RotatorCuffCAMLib.readers.evaluation import evaluate_study, write_evaluation
    from RotatorCuffCAMLib.readers.results import read_model, read_study_readings, read_truth
    from RotatorCuffCAMLib.readers.study import load_study
    from RotatorCuffCAMLib.readers.tables import gather, reader_table

    progress(0.1, "Reading the answers")
    study, classes = load_study(parameters["study"]), read_truth(parameters["truth"])
    data = gather(classes, read_study_readings(study), read_model(study.model) if study.model else None)
    cancel.raise_if_cancelled()
    progress(0.4, "Evaluating the readers")
    evaluation = evaluate_study(classes, data)
    with output_folder(parameters["out"], False, "cuff evaluate") as out:
        write_evaluation(evaluation, out)
    shown = reader_table(data)
    return {
        "columns": list(shown.columns),
        "rows": [[_plain(v) for v in row] for row in shown.rows],
        "statements": list(evaluation.statements),
        "warnings": list(evaluation.warnings),
    }


def _plain(value: Any) -> str:
    return "n/a" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)


def _network(name: str) -> Any:
    from RotatorCuffCAMLib.network.classifier import load_network

    if name not in _networks:
        _networks.clear()
        _networks[name] = load_network(name)
    return _networks[name]


def _options(values: dict[str, Any]) -> Any:
    from RotatorCuffCAMLib.cuff import CuffOptions

    center = values.get("center_lps")
    return CuffOptions(**values | {"center_lps": tuple(center) if center else None})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
