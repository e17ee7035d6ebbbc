"""What every server can be asked, whatever the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from PreopReviewLib.errors import PreopError

if TYPE_CHECKING:
    from pydicom import Dataset

SERIES_FIELDS = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesDescription",
    "SeriesNumber",
    "NumberOfSeriesRelatedInstances",
    "PatientID",
    "PatientName",
    "StudyDate",
    "StudyDescription",
    "AccessionNumber",
    "ProtocolName",
)


class ServerError(PreopError):
    """A PACS that is away, refuses, or does not do what it said."""

    exit_code = 60


@dataclass(frozen=True)
class RemoteSeries:
    """One series as a server lists it; instances is None where it does not say how many."""

    study: str
    series: str
    modality: str = ""
    description: str = ""
    number: str = ""
    instances: int | None = None
    patient_id: str = ""
    study_date: str = ""
    study_description: str = ""
    accession: str = ""


class Server(Protocol):
    """A PACS that is spoken to."""

    def find_series(self, filters: Mapping[str, str]) -> list[RemoteSeries]:
        """The series that match attributes by keyword, e.g. ``PatientID``, ``StudyDate`` (also a range)."""

    def retrieve(self, series: RemoteSeries) -> Iterator[Dataset]:
        """All instances of a series, one by one."""

    def store(self, study: str, datasets: Sequence[Dataset]) -> dict[str, str]:
        """Sends objects of one study; why each that was refused was, by SOPInstanceUID."""

    def has(self, dataset: Dataset) -> bool:
        """Whether the server lists an object."""


def remote_series(answer: Dataset) -> RemoteSeries:
    """From one answer to a query."""

    def text(keyword: str) -> str:
        value = answer.get(keyword)
        return "" if value is None else str(value).strip()

    count = text("NumberOfSeriesRelatedInstances")
    return RemoteSeries(
        text("StudyInstanceUID"),
        text("SeriesInstanceUID"),
        text("Modality"),
        text("SeriesDescription"),
        text("SeriesNumber"),
        int(count) if count.isdigit() else None,
        text("PatientID"),
        text("StudyDate"),
        text("StudyDescription"),
        text("AccessionNumber"),
    )
