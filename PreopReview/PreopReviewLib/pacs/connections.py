"""Which servers there are: one YAML file, with no secrets in it.

::

    hospital:                          # a name of one's own
      protocol: dicomweb
      url: https://pacs.example.org/dicom-web
      user: reader
      password_env: PACS_PASSWORD      # or password_file: ~/.config/preopreview/pacs-password; or token_env
      ca_file: /etc/ssl/hospital.pem   # who signed the server's certificate, if no public authority did
    archive:
      protocol: dimse
      host: 10.0.0.7
      port: 104
      called_ae: ARCHIVE               # the server's title
      calling_ae: PREOP                # ours, as the server knows it
      retrieve: get                    # or move, then receive_port is where the server sends to
      tls: true                        # with ca_file, and certificate and key where the server asks for them
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import FileMissing, InputError
from PreopReviewLib.structured import read_yaml

FILE_VARIABLE = "PREOP_PACS"
_SECRETS = ("password", "token", "secret")
_COMMON = {"protocol", "ca_file", "certificate", "key", "timeout_s"}
_FIELDS = {
    "dicomweb": _COMMON | {"url", "user", "password_env", "password_file", "token_env"},
    "dimse": _COMMON | {"host", "port", "called_ae", "calling_ae", "retrieve", "receive_port", "tls"},
}
_NEEDED = {"dicomweb": ("url",), "dimse": ("host", "port", "called_ae")}
TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Connection:
    """One server.

    Attributes:
        protocol: dicomweb or dimse.
        settings: what the file says of it.
        source: the file.
    """

    name: str
    protocol: str
    settings: Mapping[str, Any] = field(repr=False)
    source: Path = Path()

    def get(self, key: str, default: Any = None) -> Any:
        """A setting."""
        return self.settings.get(key, default)

    @property
    def timeout_s(self) -> float:
        """How long the server may say nothing."""
        return float(self.get("timeout_s", TIMEOUT_S))

    def file(self, key: str) -> str | None:
        """The path of a setting that names a file; None without it.

        Raises:
            FileMissing: there is no such file.
        """
        if not self.get(key):
            return None
        path = self.source.parent / Path(str(self.get(key))).expanduser()
        if not path.is_file():
            raise FileMissing(f"The connection {self.name} names the {key} {path}, which is not there", "Correct it")
        return str(path)

    def secret(self, what: str) -> str | None:
        """The password or token, from the environment or the file that is named.

        Raises:
            InputError: the variable is not set. FileMissing: as `file`.
        """
        if variable := self.get(f"{what}_env"):
            if str(variable) not in os.environ:
                raise InputError(
                    f"The connection {self.name} takes its {what} from {variable}, which is not set", f"Set {variable}"
                )
            return os.environ[str(variable)]
        path = self.file(f"{what}_file")
        return Path(path).read_text(encoding="utf-8").strip() if path else None


def default_file() -> Path:
    """Where connections are looked for: `FILE_VARIABLE`, or the user's configuration folder."""
    import platformdirs

    return Path(os.environ.get(FILE_VARIABLE) or Path(platformdirs.user_config_dir("preopreview")) / "pacs.yaml")


def read_connections(path: Path | None = None) -> dict[str, Connection]:
    """All connections of a file, by name.

    Raises:
        FileMissing: there is no such file.
        InputError: no connection, an unknown protocol or field, a field that is missing, or a secret in the file.
    """
    path = path or default_file()
    if not path.is_file():
        raise FileMissing(f"There is no file of connections {path}", "Write it as Docs/PACS.md says")
    entries = read_yaml(path, InputError)
    if not isinstance(entries, dict) or not entries or not all(isinstance(v, dict) for v in entries.values()):
        raise InputError(f"{path} holds no connections", "Write NAME: and its settings below, as Docs/PACS.md says")
    return {str(name): _checked(str(name), settings, path) for name, settings in entries.items()}


def _checked(name: str, settings: Mapping[str, Any], path: Path) -> Connection:
    protocol = str(settings.get("protocol", ""))
    where = f"The connection {name} in {path}"
    if protocol not in _FIELDS:
        raise InputError(f"{where} has the protocol {protocol!r}", "Use dicomweb or dimse")
    for key in settings:
        if key in _SECRETS:
            raise InputError(f"{where} holds a {key}", f"Name a variable or file that holds it: {key}_env, {key}_file")
    unknown = sorted(set(map(str, settings)) - _FIELDS[protocol])
    if unknown:
        known = ", ".join(sorted(_FIELDS[protocol]))
        raise InputError(f"{where} has the unknown setting {unknown[0]}", f"Its settings are {known}")
    lacking = [key for key in _NEEDED[protocol] if not settings.get(key)]
    if lacking:
        raise InputError(f"{where} lacks {lacking[0]}", f"It needs {', '.join(_NEEDED[protocol])}")
    if settings.get("retrieve", "get") not in ("get", "move"):
        raise InputError(f"{where} retrieves by {settings['retrieve']!r}", "Use get or move")
    if settings.get("retrieve") == "move" and not settings.get("receive_port"):
        raise InputError(f"{where} retrieves by move without a receive_port", "Give the port that the server sends to")
    return Connection(name, protocol, dict(settings), path)


def find_connection(name: str, path: Path | None = None) -> Connection:
    """The connection of a name.

    Raises:
        InputError: there is none; says which there are. Else as `read_connections`.
    """
    connections = read_connections(path)
    if name not in connections:
        raise InputError(f"There is no connection {name!r}", f"The connections are {', '.join(connections)}")
    return connections[name]
