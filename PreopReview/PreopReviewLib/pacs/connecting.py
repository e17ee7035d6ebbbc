"""The server of a connection, by its protocol."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib.util import find_spec

from PreopReviewLib.errors import InputError
from PreopReviewLib.pacs.connections import Connection
from PreopReviewLib.pacs.server import Server


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
