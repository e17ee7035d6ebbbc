"""`preop liver truth …`: lists of cases to be drawn, several annotators, consensus, and data sets to train on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from LiverPlannerLib.commands.cutting import AsJson, LabelValues, Out, Overwrite
from PreopReviewLib.command.console import say

if TYPE_CHECKING:
    from LiverPlannerLib.ground_truth.work_list import WorkList

ListFolder = Annotated[Path, typer.Argument(help="Folder of the list.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]


class Method(StrEnum):
    """How several become one."""

    staple = "staple"
    majority = "majority"


class Form(StrEnum):
    """Forms of a data set."""

    nnunet = "nnunet"
    monai = "monai"


class Verdict(StrEnum):
    """Of a reviewer."""

    sign_off = "sign-off"
    send_back = "send-back"


def register(app: typer.Typer) -> None:
    """Adds the group `truth` to the group `liver`."""
    group = typer.Typer(no_args_is_help=True, help="Ground truth: lists of cases, annotators, consensus, data sets.")
    for command in (new, show, add, review, compare, consensus, export, train, training):
        group.command("list" if command is show else command.__name__)(command)
    app.add_typer(group, name="truth")


def new(
    source: Annotated[
        Path,
        typer.Argument(help="Folder with images or DICOM, or a text file with one path per line.", show_default=False),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the new list.", show_default=False)],
    structure: Annotated[
        list[str] | None,
        typer.Option(help="Structure to draw, e.g. liver; may be repeated. Default: the five structures."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a list of the cases in a folder; images stay where they are."""
    from LiverPlannerLib.ground_truth.cases import find_cases, read_case_file
    from LiverPlannerLib.ground_truth.work_list import DEFAULT_STRUCTURES, create_list
    from PreopReviewLib.command.console import emit

    cases = find_cases(source, out) if source.is_dir() else read_case_file(source, out)
    work = create_list(out, cases, structure or DEFAULT_STRUCTURES)
    names = [c.name for c in work.cases]
    data = {"folder": str(work.folder), "structures": list(work.structures), "cases": names}
    emit(data, as_json, lambda: say(f"{len(names)} cases in {work.folder}: {', '.join(names)}"))


def show(
    folder: ListFolder,
    annotator: Annotated[str | None, typer.Option(help="Only of this annotator.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who has done what, how long it took, and what comes next."""
    from LiverPlannerLib.ground_truth.work_list import CONSENSUS, PROGRESS, open_list
    from PreopReviewLib.command.console import emit, print_table

    work = open_list(folder)
    everyone = [*work.annotators, *([CONSENSUS] if (work.folder / CONSENSUS / PROGRESS).exists() else [])]
    rows = _rows(work, [annotator] if annotator else everyone)
    columns = ["case", "annotator", "state", *work.structures, "min", "comment"]

    def table() -> None:
        print_table(f"{len(work.cases)} cases", columns, [[row[c] for c in columns] for row in rows])
        if not rows:
            say(f"No one has started. Cases: {', '.join(c.name for c in work.cases)}")

    emit({"structures": list(work.structures), "cases": [c.name for c in work.cases], "work": rows}, as_json, table)


def _rows(work: WorkList, annotators: list[str]) -> list[dict[str, Any]]:
    from LiverPlannerLib.ground_truth.annotation import is_finished, read_progress

    rows = []
    for name in annotators:
        states = read_progress(work, name)[1]
        for case in work.cases:
            state = states[case.name]
            words = "unusable" if state.unusable else "finished" if is_finished(state) else "open"
            comment = " ".join(filter(None, (state.unusable, state.comment)))
            words = f"{words}, {state.review} by {state.reviewer}" if state.review else words
            comment = " ".join(filter(None, (comment, state.review_comment)))
            row = {"case": case.name, "annotator": name, "state": words, **state.status}
            rows.append({**row, "min": round(state.seconds / 60, 1), "comment": comment})
    return rows


def add(
    folder: ListFolder,
    case: Annotated[str, typer.Argument(help="Name of the case.", show_default=False)],
    labels: Annotated[Path, typer.Argument(help="Labels or segmentation drawn elsewhere.", show_default=False)],
    annotator: Annotated[str, typer.Option(help="Who drew it.", show_default=False)],
    comment: Annotated[str | None, typer.Option(help="Comment on the case.")] = None,
    seconds: Annotated[float, typer.Option(help="Time spent on the case.", min=0)] = 0.0,
    finished: Annotated[bool, typer.Option(help="Every structure is done, or absent where it has no voxel.")] = True,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Open it even if someone else seems to have it open.")
    ] = False,
    values: LabelValues = None,
) -> None:
    """Import a segmentation that was drawn elsewhere."""
    from LiverPlannerLib.commands.cutting import read as read_file
    from LiverPlannerLib.ground_truth.annotation import Annotation
    from LiverPlannerLib.ground_truth.work_list import open_list
    from LiverPlannerLib.structures import mask_of
    from PreopReviewLib import images

    work = open_list(folder)
    image = work.image(case)
    read = read_file(labels, values)
    with Annotation(work, annotator, take_over) as mine:
        mine.save_labels(case, read.labels, image)
        for key in work.structures if finished else ():
            drawn = images.array_of(mask_of(read.labels, key)).any()
            mine.set_status(case, key, "done" if drawn else "absent")
        mine.add_seconds(case, seconds)
        if comment is not None:
            mine.set_comment(case, comment)
    say(f"{case} by {annotator} is in the list.")
    for note in read.sentences:
        say(note)


def review(
    folder: ListFolder,
    case: Annotated[str, typer.Argument(help="Name of the case.", show_default=False)],
    annotator: Annotated[str, typer.Option(help="Who drew it.", show_default=False)],
    reviewer: Annotated[str, typer.Option(help="Who reviewed it.", show_default=False)],
    verdict: Annotated[Verdict, typer.Option(help="Sign it off, or send it back.", show_default=False)],
    comment: Annotated[str, typer.Option(help="What needs to be corrected.")] = "",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Even if the annotator seems to have it open.")
    ] = False,
) -> None:
    """Sign a finished case off, or send it back; once there is a review, only what is signed off is trained on."""
    from LiverPlannerLib.ground_truth.annotation import SENT_BACK, SIGNED_OFF, Annotation
    from LiverPlannerLib.ground_truth.work_list import open_list

    words = SIGNED_OFF if verdict is Verdict.sign_off else SENT_BACK
    with Annotation(open_list(folder), annotator, take_over) as theirs:
        theirs.review(case, reviewer, words, comment)
    say(f"{case} by {annotator} is {words} by {reviewer}.")


def train(
    folder: ListFolder,
    source: Annotated[str, typer.Option("--from", help="An annotator, or the consensus.", show_default=False)],
    model: Annotated[
        str | None, typer.Option(help="Model to start from; by default the list's own, once it has one.")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Longest training time.", min=0.05)] = 30.0,
    least: Annotated[int, typer.Option(help="Number of cases that must be ready.", min=3)] = 8,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
    go_on: Annotated[bool, typer.Option("--resume", help="Resume an interrupted round.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Train in this process, not in the background.")] = False,
) -> None:
    """Train a model further on the finished cases, in a process of its own that survives this one.

    A quarter of the patients is held back: the new model is measured on them, and taken for the next cases only if it
    is better. See how far it is with `preop liver truth training`.
    """
    from LiverPlannerLib.ground_truth import rounds
    from LiverPlannerLib.ground_truth.training import launch, start_training
    from LiverPlannerLib.ground_truth.work_list import open_list

    work = open_list(folder)
    if go_on:
        place = rounds.last_round(work)
        launch(place, detached=not wait)
    else:
        options = {"minutes": minutes, "least": least, "threads": threads, "detached": not wait}
        place = start_training(work, source, model, **options)
    say(f"{place.name} is {rounds.read_state(place).phase}. See: preop liver truth training {folder}")


def training(
    folder: ListFolder,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop the round that is running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how far training is, what it has gained, and which open cases the new model is least sure of."""
    from dataclasses import asdict

    from LiverPlannerLib.ground_truth import rounds
    from LiverPlannerLib.ground_truth.training import ranking
    from LiverPlannerLib.ground_truth.work_list import open_list
    from PreopReviewLib.command.console import emit, print_table

    work = open_list(folder)
    place = rounds.last_round(work)
    if cancel:
        rounds.ask_to_cancel(place)
    state, rows, next_cases = rounds.read_state(place), rounds.curve(work), ranking(work)
    current = rounds.current_model(work)
    data = {"round": place.name, **asdict(state), "curve": rows, "next": next_cases, "model": str(current or "")}

    def words() -> None:
        say(f"{place.name}: {state.phase}, {state.fraction:.0%}. {state.problem or state.words}")
        if rows:
            print_table("Mean Dice on the held-out cases", list(rounds.COLUMNS), [list(r.values()) for r in rows])
        if state.gain and not state.offered:
            say("The new model is not better on them, so the previous one stays.")
        if current:
            say(f"The list's model: {current}")
        for name, doubt in next_cases[:10]:
            say(f"Next: {name} (uncertainty {doubt:.2f})")

    emit(data, as_json, words)


def compare(
    folder: ListFolder,
    first: Annotated[str, typer.Argument(help="Annotator.", show_default=False)],
    second: Annotated[str, typer.Argument(help="Annotator to compare with.", show_default=False)],
    out: Out = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare two annotators on every case that both have drawn; write tables and images of their disagreement."""
    from LiverPlannerLib.ground_truth.work_list import open_list
    from PreopReviewLib.command.console import emit, progress_bar

    work = open_list(folder)
    with progress_bar(quiet) as progress:
        data = _compared(work, first, second, out, overwrite, progress)
    emit(data, as_json, lambda: _print_comparison(data, first, second))


def _compared(
    work: WorkList, first: str, second: str, out: Path | None, overwrite: bool, progress: Any
) -> dict[str, Any]:
    from contextlib import nullcontext

    from LiverPlannerLib.commands.cutting import write_csv
    from LiverPlannerLib.ground_truth.consensus import compare_annotators, disagreement
    from PreopReviewLib import images
    from PreopReviewLib.errors import FileMissing, NothingFound
    from PreopReviewLib.output import output_folder

    rows, left_out = [], {}
    with output_folder(out, overwrite, "liver truth compare") if out is not None else nullcontext() as place:
        for number, case in enumerate(work.cases):
            progress(number / len(work.cases), case.name)
            try:
                result = compare_annotators(work, case.name, first, second)
            except FileMissing as problem:
                left_out[case.name] = str(problem)
                continue
            rows += [{"case": case.name, **row.as_row()} for row in result.rows]
            if place is not None:
                where = disagreement([result.prediction, result.reference])
                images.write_image(where, place / f"{case.name}_disagreement.nii.gz")
        if not rows:
            raise NothingFound(f"{first} and {second} have no case in common", "Draw one, or choose others")
        if place is not None:
            write_csv(place / "comparison.csv", rows)
    return {"first": first, "second": second, "structures": rows, "left_out": left_out}


def _print_comparison(data: dict[str, Any], first: str, second: str) -> None:
    from PreopReviewLib.command.console import print_table

    columns = ["case", "structure", "DSC", "HD95 mm", "ASSD mm", f"{first} ml", f"{second} ml"]
    keys = ["case", "structure", "dsc", "hd95_mm", "assd_mm", "predicted_ml", "reference_ml"]
    print_table("", columns, [[row[k] for k in keys] for row in data["structures"]])
    _print_left_out(data["left_out"])


def consensus(
    folder: ListFolder,
    method: Annotated[
        Method, typer.Option(help="STAPLE weights the annotators, majority counts them.")
    ] = Method.staple,
    annotator: Annotated[
        list[str] | None, typer.Option(help="Annotator to include; may be repeated. Default: all.")
    ] = None,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Even if someone else seems to be working on it.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make one segmentation of every case that two annotators or more have finished."""
    from dataclasses import asdict

    from LiverPlannerLib.ground_truth.consensus import consensus_of_list
    from LiverPlannerLib.ground_truth.work_list import open_list
    from PreopReviewLib.command.console import emit, print_table, progress_bar

    with progress_bar(quiet) as progress:
        outcome = consensus_of_list(open_list(folder), method.value, annotator or None, progress, take_over=take_over)
    rows = [
        (name, p.annotator, p.structure, p.sensitivity, p.specificity)
        for name in outcome.made
        for p in outcome.performance[name]
    ]

    def table() -> None:
        say(f"Consensus of {len(outcome.made)} cases: {', '.join(outcome.made)}")
        if rows:
            print_table("By STAPLE's estimate", ["case", "annotator", "structure", "sensitivity", "specificity"], rows)
        _print_left_out(outcome.left_out)

    emit(asdict(outcome), as_json, table)


def export(
    folder: ListFolder,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.", show_default=False)],
    source: Annotated[str, typer.Option("--from", help="An annotator, or the consensus.")] = "consensus",
    form: Annotated[Form, typer.Option(help="nnU-Net raw, or a MONAI datalist.")] = Form.nnunet,
    ignore_undecided: Annotated[
        bool, typer.Option("--ignore-undecided", help="Undecided voxels of a consensus get the label 'ignore'.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write the finished cases as a data set for 'preop train --data', nnU-Net or MONAI. Metadata are left out."""
    from LiverPlannerLib.ground_truth.export import export_list
    from LiverPlannerLib.ground_truth.work_list import open_list
    from PreopReviewLib.command.console import emit, progress_bar

    with progress_bar(quiet) as progress:
        exported = export_list(
            open_list(folder),
            source,
            out,
            form.value,
            ignore_undecided=ignore_undecided,
            overwrite=overwrite,
            progress=progress,
        )
    data = {"folder": str(exported.folder), "cases": exported.cases, "labels": exported.labels}

    def words() -> None:
        say(f"{len(exported.cases)} cases in {out}. Train with: preop train --recipe … --data {out}")
        say(f"Numbering: {', '.join(f'{value} {name}' for name, value in exported.labels.items())}.")
        for note in exported.notes:
            say(f"Note: {note}")
        _print_left_out(exported.left_out)

    emit({**data, "left_out": exported.left_out, "notes": exported.notes}, as_json, words)


def _print_left_out(left_out: dict[str, str]) -> None:
    for name, reason in left_out.items():
        say(f"Left out: {name}: {reason}")
