"""Fetching and storing, so that nothing is left half-done and nothing is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.errors import InputError, NothingFound
from PreopReviewLib.images.dicom_header import quiet
from PreopReviewLib.output import output_folder
from PreopReviewLib.pacs.server import RemoteSeries, Server, ServerError
from PreopReviewLib.progress import Progress, silent

if TYPE_CHECKING:
    from pydicom import Dataset

TABLE = "cases.csv"
KIND = "dicom fetch"


def fetch(
    server: Server, chosen: Sequence[RemoteSeries], out: Path, overwrite: bool = False, progress: Progress = silent
) -> list[str]:
    """Each series into a folder ``case-001``, …, and cases.csv, a table for a cohort (case, image, UIDs, description).

    Returns:
        names of the cases, in the order of the series.

    Raises:
        NothingFound: no series. ServerError: the server is away, or sends fewer instances than it lists; nothing is
        written then. OutputExists, OutputError: as `output_folder`.
    """
    if not chosen:
        raise NothingFound("No series is left to fetch", "Loosen the rules; the preview says why each was left out")
    names = [f"case-{n:03d}" for n in range(1, len(chosen) + 1)]
    rows = [["case", "image", "study_uid", "series_uid", "modality", "description"]]
    with output_folder(out, overwrite, KIND) as folder:
        for n, (name, series) in enumerate(zip(names, chosen, strict=True)):
            progress(n / len(chosen), f"Fetching {name}")
            count = _fetch_series(server, series, folder / name)
            if series.instances is not None and count < series.instances:
                raise ServerError(
                    f"Of {series.instances} instances of the series {series.description or series.series} only {count} "
                    "came; nothing was written",
                    "Fetch it again; perhaps it is still being sent to the server",
                )
            rows.append([name, name, series.study, series.series, series.modality, series.description])
        (folder / TABLE).write_text(csv_text(rows), encoding="utf-8", newline="")
    progress(1.0, f"Fetched {len(chosen)} series")
    return names


def _fetch_series(server: Server, series: RemoteSeries, folder: Path) -> int:
    folder.mkdir()
    seen: set[str] = set()
    for dataset in server.retrieve(series):
        uid = str(dataset.SOPInstanceUID)
        if uid not in seen:
            seen.add(uid)
            with quiet():
                dataset.save_as(folder / f"{len(seen):05d}.dcm", enforce_file_format=True)
    return len(seen)


@dataclass
class Stored:
    """What became of objects: file names that the server has now, and those that it had before."""

    sent: list[str] = field(default_factory=list)
    there_before: list[str] = field(default_factory=list)


def store(server: Server, files: Sequence[Path], name: str = "the server") -> Stored:
    """Sends DICOM files into their studies. One counts only when the server, asked afterwards, lists it.

    What the server has already is not sent: nothing is ever replaced.

    Raises:
        InputError: a file that is not DICOM, or whose study the server does not have.
        ServerError: away, refused, or accepted and not kept; says what the server has.
    """
    import pydicom
    from pydicom.errors import InvalidDicomError

    datasets: dict[str, Dataset] = {}
    for path in files:
        try:
            with quiet():
                datasets[path.name] = pydicom.dcmread(path)
        except (InvalidDicomError, OSError) as error:
            raise InputError(
                f"{path} cannot be read as DICOM ({error})", "Give DICOM files or a plan's folder"
            ) from error
    studies = {str(d.StudyInstanceUID) for d in datasets.values()}
    for study in studies:
        if not server.find_series({"StudyInstanceUID": study}):
            raise InputError(
                f"{name} has no study {study}, so the results would lie in a study without images; nothing was sent",
                "Choose the server that the images came from",
            )
    done = Stored()
    done.there_before = [n for n, d in datasets.items() if server.has(d)]
    waiting = {n: d for n, d in datasets.items() if n not in done.there_before}
    refused: dict[str, str] = {}
    for study in sorted(studies):
        of_study = [d for d in waiting.values() if str(d.StudyInstanceUID) == study]
        if of_study:
            refused |= server.store(study, of_study)
    kept = {n: server.has(d) for n, d in waiting.items()}
    done.sent = [n for n, there in kept.items() if there]
    lost = [n for n, there in kept.items() if not there]
    if lost:
        reason = refused.get(str(waiting[lost[0]].SOPInstanceUID), "accepted, but not found when checked afterwards")
        rest = f"it has {', '.join(done.sent)}" if done.sent else "it has none of them"
        raise ServerError(f"{name} does not have {', '.join(lost)} ({reason}); {rest}", "Store again to send the rest")
    return done
