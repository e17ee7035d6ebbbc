"""Radiomics of many lesions in a process beside the command, which goes on with other measures meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PreopReviewLib.output import private_folder

if TYPE_CHECKING:
    from pathlib import Path

    import SimpleITK as sitk

    from LiverPlannerLib.labels import Labels
    from LiverPlannerLib.radiomics.features import RadiomicsResult

MANY = 30
"""Lesions whose features take as long as a process needs to start: 3 s against 0.1 s each, on a scan with 200."""


@contextmanager
def radiomics_beside(
    picture: sitk.Image, file: Labels, modality: str
) -> Iterator[Callable[[], RadiomicsResult] | None]:
    """Starts it where there are `MANY` lesions; what is given waits for the result, and raises what went wrong there.

    None is given where a process would not pay, or the labels lie elsewhere. The process ends with the context.
    """
    from LiverPlannerLib.radiomics.features import RadiomicsResult
    from PreopReviewLib.errors import PreopError
    from PreopReviewLib.jobs import JobRunner

    try:
        placed = file.onto(picture)
    except PreopError:  # which the caller meets again, in its place
        placed = None
    if placed is None or _lesions(placed) < MANY:
        yield None
        return
    with private_folder() as folder:
        runner = JobRunner(extra_environment={"OMP_NUM_THREADS": "1"}, logs=folder / "logs")
        try:
            request = {**_request(picture, placed, folder), "modality": modality}
            del placed
            job = runner.start("LiverPlannerLib.measure_tasks:radiomics", request, folder)

            def result() -> RadiomicsResult:
                runner.wait(job)
                if job.error is not None:
                    raise job.error
                assert job.result is not None
                return RadiomicsResult.from_dict(job.result)

            yield result
        finally:
            runner.close()


def _lesions(file: Labels) -> int:
    from LiverPlannerLib.lesions import regions_of
    from LiverPlannerLib.structures import LESIONS

    return sum(len(regions_of(file.labels, key, file.lesions)) for key in LESIONS)


def _request(picture: sitk.Image, file: Labels, folder: Path) -> dict[str, Any]:
    from PreopReviewLib.worker_io import save_image

    request = {"image": save_image(picture, folder, "image"), "labels": save_image(file.labels, folder, "labels")}
    if file.lesions is None:
        return request
    names = {str(n): name for n, name in file.lesions.names.items()}
    return request | {"drawn": save_image(file.lesions.numbers, folder, "drawn"), "drawn_names": names}
