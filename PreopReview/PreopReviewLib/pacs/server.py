"""What every server can be asked, whatever the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.pacs.connections import Connection

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


def connect(connection: Connection) -> AbstractContextManager[Server]:
    """The server of a connection, for the time of a block.

    Raises:
        InputError: the package for the protocol is not installed. ServerError: it cannot be reached.
    """
    package = {"dicomweb": "dicomweb_client", "dimse": "pynetdicom"}[connection.protocol]
    if find_spec(package) is None:
        raise InputError(
            f"The connection {connection.name} needs the package {package}",
            "Install it: pip install 'preopreview[pacs]'",
        )
    if connection.protocol == "dicomweb":
        from PreopReviewLib.pacs.dicomweb import open_dicomweb

        return open_dicomweb(connection)
    from PreopReviewLib.pacs.dimse import open_dimse

    return open_dimse(connection)


def remote_series(found: Dataset) -> RemoteSeries:
    """From one answer to a query."""

    def text(keyword: str) -> str:
        value = found.get(keyword)
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
