"""A server over DICOMweb: QIDO-RS, WADO-RS and STOW-RS, by dicomweb-client."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from PreopReviewLib.pacs.connections import Connection
from PreopReviewLib.pacs.server import SERIES_FIELDS, RemoteSeries, ServerError, remote_series

if TYPE_CHECKING:
    from dicomweb_client.web import DICOMwebClient
    from pydicom import Dataset

T = TypeVar("T")
PAGE = 200
"""Answers asked for at a time."""
READ_BYTES = 1 << 20


class DicomWeb:
    """A `server.Server` over HTTP."""

    def __init__(self, connection: Connection, client: DICOMwebClient, storing: DICOMwebClient) -> None:
        """`storing` sends no request in chunks: some servers answer 200 to those and keep nothing."""
        self._connection, self._client, self._storing = connection, client, storing

    def find_series(self, filters: Mapping[str, str]) -> list[RemoteSeries]:
        """As `server.Server.find_series`.

        Raises:
            ServerError: it cannot be asked.
        """
        entries: list[dict] = []
        while True:
            page = self._ask(partial(self._page, dict(filters), len(entries)))
            entries += page
            if len(page) < PAGE:
                return [remote_series(self._dataset(entry)) for entry in entries]

    def _page(self, filters: dict[str, str], offset: int) -> list[dict]:
        return self._client.search_for_series(
            fields=list(SERIES_FIELDS), search_filters=filters, limit=PAGE, offset=offset
        )

    def retrieve(self, series: RemoteSeries) -> Iterator[Dataset]:
        """As `server.Server.retrieve`.

        Raises:
            ServerError: it cannot be asked, or the connection broke.
        """
        stream = self._ask(lambda: self._client.iter_series(series.study, series.series))
        while True:
            one = self._ask(lambda: next(stream, None))
            if one is None:
                return
            yield one

    def store(self, study: str, datasets: Sequence[Dataset]) -> dict[str, str]:
        """As `server.Server.store`: all in one request.

        Raises:
            ServerError: the request was refused as a whole.
        """
        answer = self._ask(lambda: self._storing.store_instances(list(datasets), study_instance_uid=study))
        refused = {}
        for failed in answer.get("FailedSOPSequence") or ():
            reason = failed.get("FailureReason")
            words = f"reason {int(reason):04X}H" if reason is not None else "no reason given"
            refused[str(failed.get("ReferencedSOPInstanceUID"))] = words
        return refused

    def has(self, dataset: Dataset) -> bool:
        """As `server.Server.has`.

        Raises:
            ServerError: it cannot be asked.
        """
        matches = self._ask(
            lambda: self._client.search_for_instances(
                study_instance_uid=str(dataset.StudyInstanceUID),
                search_filters={"SOPInstanceUID": str(dataset.SOPInstanceUID)},
            )
        )
        uids = {str(self._dataset(entry).get("SOPInstanceUID")) for entry in matches}
        return str(dataset.SOPInstanceUID) in uids

    @staticmethod
    def _dataset(entry: dict) -> Dataset:
        from pydicom import Dataset

        return Dataset.from_json(entry)

    def _ask(self, what: Callable[[], T]) -> T:
        from requests import exceptions

        name = self._connection.name
        try:
            return what()
        except exceptions.SSLError as error:
            raise ServerError(
                f"The certificate of {name} is not accepted ({_short(error)})",
                "Name its issuer's certificate as ca_file",
            ) from error
        except exceptions.HTTPError as error:
            raise self._refusal(error) from error
        except exceptions.Timeout as error:
            raise ServerError(f"{name} did not answer in {self._connection.timeout_s:g} s", "Try later") from error
        except (exceptions.RequestException, OSError) as error:
            where = f"{name} cannot be reached at {self._connection.get('url')}"
            raise ServerError(f"{where} ({_short(error)})", "Check that it runs") from error
        except ValueError as error:
            raise ServerError(
                f"What {name} answers is not DICOMweb ({_short(error)})", "Check the url; it often ends in /dicom-web"
            ) from error

    def _refusal(self, error: Exception) -> ServerError:
        response = getattr(error, "response", None)
        code = getattr(response, "status_code", 0)
        name = self._connection.name
        if code in (401, 403):
            return ServerError(f"{name} refuses our user ({code})", "Check user and password of the connection")
        if code == 404:
            return ServerError(f"{name} has nothing at this address (404)", "Check the url of the connection")
        return ServerError(f"{name} refused the request ({code} {getattr(response, 'reason', '')})".rstrip(), "")


def _trusting(authority: str) -> Any:
    """An adapter that accepts what this authority has signed, whatever the environment names."""
    from requests.adapters import HTTPAdapter

    class Trusting(HTTPAdapter):
        def send(self, request: Any, **options: Any) -> Any:
            return super().send(request, **{**options, "verify": authority})

    return Trusting()


@contextmanager
def open_dicomweb(connection: Connection) -> Iterator[DicomWeb]:
    """The server, for the time of a block.

    Raises:
        FileMissing, InputError: a certificate or secret that is not there.
    """
    import logging

    import requests
    from dicomweb_client.web import DICOMwebClient

    logging.getLogger("retrying").setLevel(logging.CRITICAL)  # what goes wrong is said once, by our errors
    with requests.Session() as session:
        if user := connection.get("user"):
            session.auth = (str(user), connection.secret("password") or "")
        if authority := connection.file("ca_file"):
            session.mount("https://", _trusting(authority))
        if certificate := connection.file("certificate"):
            session.cert = (certificate, connection.file("key") or certificate)
        token = connection.secret("token")
        headers = {"Authorization": f"Bearer {token}"} if token else None

        def client(chunk: int) -> DICOMwebClient:
            web_client = DICOMwebClient(
                str(connection.get("url")).rstrip("/"),
                session=session,
                headers=headers,
                chunk_size=chunk,
                permissive_uid=True,
                timeout=connection.timeout_s,
            )
            web_client.set_http_retry_params(retry=False)
            return web_client

        yield DicomWeb(connection, client(READ_BYTES), client(sys.maxsize))


def _short(error: BaseException) -> str:
    """The innermost reason, in few words."""
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None)
    return " ".join(str(reason or error).split())[:200]
