"""A server over the classic DICOM network: C-FIND, C-GET or C-MOVE, C-STORE, by pynetdicom."""

from __future__ import annotations

import queue
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from PreopReviewLib.pacs.connections import Connection
from PreopReviewLib.pacs.server import SERIES_FIELDS, RemoteSeries, ServerError, remote_series

if TYPE_CHECKING:
    from pydicom import Dataset

_STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
_STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
_PENDING = (0xFF00, 0xFF01)
IMAGE_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.2.1",  # enhanced CT
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.4.1",  # enhanced MR
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture
    "1.2.840.10008.5.1.4.1.1.66.4",  # segmentation
)
"""What is taken by C-GET."""
_STUDY_LEVEL = ("PatientID", "PatientName", "StudyDate", "StudyDescription", "AccessionNumber", "StudyInstanceUID")


class Dimse:
    """A `server.Server` that opens one association for each thing it does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find_series(self, filters: Mapping[str, str]) -> list[RemoteSeries]:
        """As `server.Server.find_series`: studies first, then the series of each.

        Raises:
            ServerError: it cannot be reached or asked.
        """
        with self._association([_STUDY_ROOT_FIND]) as association:
            at_study = {k: v for k, v in filters.items() if k in _STUDY_LEVEL}
            if "Modality" in filters:
                at_study["ModalitiesInStudy"] = filters["Modality"]
            studies = self._query(association, "STUDY", dict.fromkeys(_STUDY_LEVEL, "") | at_study)
            remote = []
            for study in studies:
                wanted = {k: "" for k in SERIES_FIELDS if k not in _STUDY_LEVEL}
                wanted |= {k: v for k, v in filters.items() if k not in _STUDY_LEVEL}
                wanted["StudyInstanceUID"] = str(study.StudyInstanceUID)
                for series in self._query(association, "SERIES", wanted):
                    for keyword in _STUDY_LEVEL:
                        if study.get(keyword):
                            setattr(series, keyword, study.get(keyword))
                    remote.append(remote_series(series))
            return remote

    def retrieve(self, series: RemoteSeries) -> Iterator[Dataset]:
        """As `server.Server.retrieve`, by C-GET or C-MOVE.

        Raises:
            ServerError: it cannot be reached, or part of the series did not come.
        """
        came: queue.SimpleQueue[Dataset | ServerError | None] = queue.SimpleQueue()
        get = self._get if self._connection.get("retrieve", "get") == "get" else self._move

        def work() -> None:
            try:
                get(series, came)
                came.put(None)
            except ServerError as error:
                came.put(error)

        threading.Thread(target=work, daemon=True, name="dicom retrieve").start()
        while (one := came.get()) is not None:
            if isinstance(one, ServerError):
                raise one
            yield one

    def store(self, study: str, datasets: Sequence[Dataset]) -> dict[str, str]:  # noqa: ARG002
        """As `server.Server.store`. Nothing is sent unless the server takes every kind of object.

        Raises:
            ServerError: it cannot be reached, or does not take one of the kinds.
        """
        kinds = list(dict.fromkeys((d.SOPClassUID, d.file_meta.TransferSyntaxUID) for d in datasets))
        refused = {}
        with self._association(kinds) as association:
            taken = {c.abstract_syntax for c in association.accepted_contexts}
            lacking = [kind for kind, _ in kinds if kind not in taken]
            if lacking:
                raise ServerError(f"{self._connection.name} does not take {lacking[0].name}; nothing was sent", "")
            for dataset in datasets:
                if not association.is_established:
                    refused[str(dataset.SOPInstanceUID)] = "the connection broke"
                    continue
                status = association.send_c_store(dataset).get("Status")
                if status is None or (status != 0 and status & 0xF000 != 0xB000):  # Bxxx are warnings
                    words = "no answer" if status is None else f"status {status:04X}H"
                    refused[str(dataset.SOPInstanceUID)] = words
        return refused

    def has(self, dataset: Dataset) -> bool:
        """As `server.Server.has`.

        Raises:
            ServerError: it cannot be reached or asked.
        """
        keys = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
        with self._association([_STUDY_ROOT_FIND]) as association:
            matches = self._query(association, "IMAGE", {k: str(dataset.get(k)) for k in keys})
        return any(str(f.get("SOPInstanceUID")) == str(dataset.SOPInstanceUID) for f in matches)

    def _query(self, association: Any, level: str, wanted: Mapping[str, str]) -> list[Dataset]:
        from pydicom import Dataset

        query = Dataset()
        query.QueryRetrieveLevel = level
        for keyword, value in wanted.items():
            setattr(query, keyword, value)
        identifiers = []
        for status, identifier in association.send_c_find(query, _STUDY_ROOT_FIND):
            code = status.get("Status")
            if code is None:
                raise ServerError(f"{self._connection.name} closed the connection during the query", "Try later")
            if code in _PENDING and identifier is not None:
                identifiers.append(identifier)
            elif code not in (0, *_PENDING):
                raise ServerError(f"{self._connection.name} refused the query (status {code:04X}H)", "")
        return identifiers

    def _get(self, series: RemoteSeries, came: queue.SimpleQueue) -> None:
        from pynetdicom import build_role, evt

        def keep(event: Any) -> int:
            came.put(_received(event))
            return 0

        roles = [build_role(c, scp_role=True) for c in IMAGE_CLASSES]
        kinds = [_STUDY_ROOT_GET, *IMAGE_CLASSES]
        with self._association(kinds, roles, [(evt.EVT_C_STORE, keep)]) as association:
            self._watch(association.send_c_get(_series_query(series), _STUDY_ROOT_GET))

    def _move(self, series: RemoteSeries, came: queue.SimpleQueue) -> None:
        from pynetdicom import AE, AllStoragePresentationContexts, evt

        def keep(event: Any) -> int:
            came.put(_received(event))
            return 0

        receiver = AE(ae_title=self._ours)
        receiver.supported_contexts = AllStoragePresentationContexts
        port = int(self._connection.get("receive_port"))
        try:
            listening = receiver.start_server(("", port), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
        except OSError as error:
            raise ServerError(f"Port {port} is in use ({error.strerror})", "Choose another receive_port") from error
        try:
            with self._association([_STUDY_ROOT_MOVE]) as association:
                self._watch(association.send_c_move(_series_query(series), self._ours, _STUDY_ROOT_MOVE))
        finally:
            listening.shutdown()

    def _watch(self, answers: Iterator[tuple[Dataset, Dataset | None]]) -> None:
        for status, _ in answers:
            code = status.get("Status")
            if code is None:
                raise ServerError(f"{self._connection.name} closed the connection while sending", "Try later")
            if code not in (0, *_PENDING):
                raise ServerError(f"{self._connection.name} did not send the series (status {code:04X}H)", "")

    @property
    def _ours(self) -> str:
        return str(self._connection.get("calling_ae", "PREOP"))

    @contextmanager
    def _association(self, kinds: Sequence[Any], roles: Sequence[Any] = (), handlers: Sequence[Any] = ()) -> Iterator:
        from pynetdicom import AE, evt
        from pynetdicom.pdu import A_ASSOCIATE_RJ

        entity = AE(ae_title=self._ours)
        timeout = self._connection.timeout_s
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = timeout
        for kind in kinds:
            entity.add_requested_context(*(kind if isinstance(kind, tuple) else (kind,)))
        name, host, port = self._connection.name, self._connection.get("host"), int(self._connection.get("port"))
        called = str(self._connection.get("called_ae"))
        # The association counts as aborted, not as rejected, where the server has hung up before pynetdicom looks.
        rejections: list[Any] = []
        keep = (evt.EVT_PDU_RECV, lambda event: rejections.extend([event.pdu] * isinstance(event.pdu, A_ASSOCIATE_RJ)))
        association = entity.associate(
            str(host), port, ae_title=called, ext_neg=list(roles), evt_handlers=[keep, *handlers], tls_args=self._tls()
        )
        if not association.is_established:
            if rejections:
                raise ServerError(
                    f"{name} rejected us ({rejections[0].reason_str.lower()}): our title is {self._ours}, its {called}",
                    "Check calling_ae and called_ae of the connection; if it is busy, try again later",
                )
            if association.is_aborted and not association.acceptor.primitive:
                raise ServerError(
                    f"{name} cannot be reached at {host}:{port}",
                    "Check that it runs, its address, and whether it requires TLS",
                )
            raise ServerError(
                f"{name} closed the connection at once", "Check whether it requires TLS, and what it supports"
            )
        try:
            yield association
        finally:
            if association.is_established:
                association.release()

    def _tls(self) -> tuple[ssl.SSLContext, str] | None:
        if not self._connection.get("tls"):
            return None
        context = ssl.create_default_context(cafile=self._connection.file("ca_file"))
        if certificate := self._connection.file("certificate"):
            context.load_cert_chain(certificate, self._connection.file("key"))
        return context, str(self._connection.get("host"))


def _series_query(series: RemoteSeries) -> Dataset:
    from pydicom import Dataset

    query = Dataset()
    query.QueryRetrieveLevel = "SERIES"
    query.StudyInstanceUID, query.SeriesInstanceUID = series.study, series.series
    return query


def _received(event: Any) -> Dataset:
    dataset = event.dataset
    dataset.file_meta = event.file_meta
    return dataset


@contextmanager
def open_dimse(connection: Connection) -> Iterator[Dimse]:
    """The server, for the time of a block."""
    import logging

    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # what goes wrong is said once, by our errors
    yield Dimse(connection)
