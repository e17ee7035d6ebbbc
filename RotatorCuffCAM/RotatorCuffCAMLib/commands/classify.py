"""`preop cuff`: classify a shoulder MRI, train on labeled ones; the rest is in `commands_readers`."""

from __future__ import annotations

import math
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from PreopReviewLib.command.console import say
from PreopReviewLib.command.options import Quiet, Series, VolumeOfSeries
from RotatorCuffCAMLib.commands import readers as commands_readers

if TYPE_CHECKING:
    from RotatorCuffCAMLib.localization import DrawnBox


def register(app: typer.Typer) -> None:
    """Adds the group `cuff` to the command."""
    group = typer.Typer(no_args_is_help=True, help="Rotator cuff tears: class and 3D activation map. Research only.")
    group.command("classify")(classify)
    group.command("train")(train)
    commands_readers.register(group)
    app.add_typer(group, name="cuff")
    import_module("RotatorCuffCAMLib.cohort_tasks")


def classify(
    image: Annotated[Path, typer.Argument(help="Coronal shoulder MRI: a file or a DICOM folder.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    model: Annotated[str, typer.Option(help="Model package for tears.")] = "tear-synthetic",
    center: Annotated[
        str | None, typer.Option(help="Center of the humeral head, R,A,S in mm; default: located automatically.")
    ] = None,
    edge: Annotated[float | None, typer.Option(help="Edge of the cube, mm.", min=30, max=200)] = None,
    side: Annotated[str | None, typer.Option(help="R or L; default: from DICOM or the position.")] = None,
    map_class: Annotated[
        str | None, typer.Option("--class", help="Class of the map; default: the predicted one.")
    ] = None,
    method: Annotated[str, typer.Option(help="exact, contrast, gradcam or hirescam.")] = "exact",
    repetitions: Annotated[int, typer.Option(help="Passes with a shifted cube, for the spread.", min=1)] = 1,
    any_plane: Annotated[bool, typer.Option(help="Continue with an axial or sagittal series.")] = False,
    box: Annotated[
        str | None, typer.Option(help="Drawn around the tear, R,A,S,SIZE_R,SIZE_A,SIZE_S in mm: compared with the map.")
    ] = None,
    title: Annotated[
        str, typer.Option(help="Title of report and picture; a case number rather than a name.")
    ] = "Shoulder",
    pictures: Annotated[bool, typer.Option(help="Draw the picture, which takes most of the time.")] = True,
    preset: Annotated[
        str, typer.Option(help="Tissue in 3D: shoulder, bone, muscle, fluid, or map alone.")
    ] = "shoulder",
    tissue: Annotated[float, typer.Option(help="Opacity of the tissue in 3D.", min=0, max=1)] = 0.5,
    threshold: Annotated[float, typer.Option(help="Percent of the maximum that is shown.", min=1, max=99)] = 30,
    cut: Annotated[bool, typer.Option(help="Cut away the tissue in front of the map.")] = False,
    movie: Annotated[bool, typer.Option(help="Also draw a full turn: activation.gif.")] = False,
    all_classes: Annotated[bool, typer.Option(help="Draw the maps of all classes side by side: classes.png.")] = False,
    series: Series = None,
    volume: VolumeOfSeries = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the folder.")] = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Classify the rotator cuff tear in a shoulder MRI and compute its class activation map. Not for diagnosis.

    The folder holds report.html, scene.mrb, activation.png, probabilities.json, activation.nii.gz (on the MRI's
    grid), activation-raw.nrrd and cube.nrrd.
    """
    from PreopReviewLib.errors import InputError
    from RotatorCuffCAMLib.cuff import CuffOptions
    from RotatorCuffCAMLib.tears import tear_class

    if side is not None and side.upper() not in ("R", "L"):
        raise InputError(f"side must be R or L, got {side!r}", "Use R or L")
    options = CuffOptions(
        _point(center),
        edge,
        side.upper() if side else None,  # type: ignore[arg-type]
        tear_class(map_class).index if map_class else None,
        method,  # type: ignore[arg-type]
        repetitions,
        any_plane,
    )
    drawn, look = _box(box), _look(preset, tissue, threshold, cut)
    drawing = {"picture": pictures, "look": look, "movie": "activation.gif" if movie else ""}
    _write(image, out, model, options, title, drawn, drawing, all_classes, (series, volume), overwrite, quiet, as_json)


def _write(
    image: Path,
    out: Path,
    model: str,
    options: Any,
    title: str,
    drawn: DrawnBox | None,
    drawing: dict[str, Any],
    all_classes: bool,
    chosen: tuple[str | None, int | None],
    overwrite: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Reads, classifies, writes and says what was found."""
    from PreopReviewLib import images
    from PreopReviewLib.command.console import emit, output_folder, progress_bar
    from PreopReviewLib.progress import within
    from RotatorCuffCAMLib.cuff import examine, maps_of_all
    from RotatorCuffCAMLib.network.classifier import load_network
    from RotatorCuffCAMLib.scene.answer_files import Drawing, write_answer

    loaded = images.read_image(image, images.selection(*chosen))
    images.require_usable(loaded, str(image))
    with output_folder(out, overwrite, "cuff classify") as folder, progress_bar(quiet) as progress:
        network = load_network(model)
        result = examine(loaded, network, options, str(image), within(progress, 0.0, 0.3))
        maps = maps_of_all(network, result) if all_classes else ()
        what = Drawing(**drawing, classes=maps)
        rest = within(progress, 0.3, 1.0)
        summary = write_answer(loaded, result, folder, str(image), model, title, drawn, what, rest)

    emit(summary, as_json, lambda: _print(summary))


def _print(summary: dict[str, Any]) -> None:
    from PreopReviewLib.command.console import print_table

    rows = list(summary["probabilities"].items())
    print_table(f"{summary['class_name']} (research only)", ["class", "probability"], rows)
    say(str(summary["intended_use"]))
    for warning in summary["warnings"]:
        say(f"warning: {warning}.")


def _look(preset: str, tissue: float, threshold: float, cut: bool) -> Any:
    from PreopReviewLib.errors import InputError
    from RotatorCuffCAMLib.rendering.looks import PRESETS
    from RotatorCuffCAMLib.scene.shoulder import Look

    if preset not in PRESETS:
        raise InputError(f"Unknown preset of tissues: {preset!r}", f"Use one of {', '.join(PRESETS)}")
    return Look(preset, tissue, cut, threshold)


def _point(text: str | None) -> tuple[float, float, float] | None:
    """LPS from the words R,A,S."""
    from PreopReviewLib.errors import InputError

    if text is None:
        return None
    try:
        r, a, s = (float(part) for part in text.split(","))
        if not all(map(math.isfinite, (r, a, s))):
            raise ValueError
    except ValueError:
        raise InputError(f"{text!r} is not a point", "Write R,A,S in mm, for example --center=150,10,40") from None
    return -r, -a, s


def _box(text: str | None) -> DrawnBox | None:
    from PreopReviewLib.errors import InputError
    from RotatorCuffCAMLib.localization import box_of

    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{text!r} is not a box", "Write R,A,S,SIZE_R,SIZE_A,SIZE_S in mm") from None
    return box_of(values, f"--box={text}")


def train(
    table: Annotated[Path | None, typer.Argument(help="CSV with image,class (and r,a,s).", show_default=False)] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run.")] = Path("runs/cuff"),
    recipe: Annotated[str, typer.Option(help="Recipe, or a YAML file.")] = "shim2020",
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value of the recipe.")] = None,
    synthetic: Annotated[float, typer.Option(help="Train on synthetic shoulders for this many minutes.", min=0)] = 0,
    light: Annotated[bool, typer.Option(help="With --synthetic: the small network for a CPU.")] = False,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    minutes: Annotated[float | None, typer.Option(help="Stop with a checkpoint after this many minutes.")] = None,
    resume: Annotated[bool, typer.Option(help="Continue the run in the folder.")] = False,
    quiet: Quiet = False,
) -> None:
    """Train the tear classifier on labeled MRI, or the demonstration network on synthetic shoulders."""
    from PreopReviewLib.command.console import progress_bar
    from PreopReviewLib.errors import InputError
    from PreopReviewLib.inference.device import choose_device
    from PreopReviewLib.training.fit import RunSettings, start_run
    from PreopReviewLib.training.recipe import load_recipe
    from RotatorCuffCAMLib.training import data as training
    from RotatorCuffCAMLib.training import light as training_light
    from RotatorCuffCAMLib.training import synthetic as training_synthetic

    where = choose_device(device)
    with progress_bar(quiet) as progress:
        if synthetic and light:
            training.refuse_another_run(out, resume)
            training_light.render_and_train(60 * synthetic, out, progress, resume)
        elif synthetic:
            training.refuse_another_run(out, resume)
            chosen = training_synthetic.SyntheticTraining(seconds=60 * synthetic)
            training_synthetic.train_on_phantoms(chosen, out, where, progress)
        elif table is None:
            raise InputError("There is nothing to train on", "Give a table, or --synthetic MINUTES")
        else:
            steps = load_recipe(recipe).set_from_words(settings or ())
            start_run(steps, out, RunSettings(str(table), minutes=minutes, device=where, workers=0), resume, progress)
    say(out)
