"""A real Orthanc of the tests' own, on free ports of this computer; skipped where Debian's packages are missing."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "only-for-tests"


def program() -> str | None:
    """Where Orthanc is, or None."""
    return shutil.which("Orthanc") or next((p for p in ("/usr/sbin/Orthanc",) if Path(p).is_file()), None)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@dataclass
class Orthanc:
    """A running server.

    Attributes:
        http, dicom: ports.
        connections: a file of connections to it: web, dimse, and some that are wrong.
    """

    folder: Path
    http: int
    dicom: int
    process: subprocess.Popen
    connections: Path

    def ask(self, path: str, method: str = "GET", data: bytes | None = None):  # type: ignore[no-untyped-def]
        """Orthanc's own REST API."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", data=data, method=method)
        request.add_header("Authorization", "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode())
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def upload(self, *files: Path) -> None:
        """Puts files into it, by its own API."""
        for path in files:
            self.ask("/instances", "POST", path.read_bytes())

    def modalities(self) -> list[str]:
        """Of all series that it has, sorted."""
        return sorted(self.ask(f"/series/{one}")["MainDicomTags"]["Modality"] for one in self.ask("/series"))

    def count(self) -> int:
        """How many instances it has."""
        return int(self.ask("/statistics")["CountInstances"])

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()


def start(folder: Path, **changes: object) -> Orthanc:
    """Starts one with its files in a folder; `changes` are of its configuration.

    Skips the test where Orthanc or its DICOMweb plugin is not installed.
    """
    executable = program()
    if executable is None or not PLUGIN.exists():
        pytest.skip("Orthanc is not installed (Debian: apt-get install orthanc orthanc-dicomweb)")
    folder.mkdir(parents=True, exist_ok=True)
    http, dicom, receive = free_port(), free_port(), free_port()
    settings = {
        "Name": "PreopReview tests",
        "StorageDirectory": str(folder / "db"),
        "IndexDirectory": str(folder / "db"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": http,
        "DicomPort": dicom,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowFind": True,
        "DicomAlwaysAllowGet": True,
        "DicomAlwaysAllowMove": True,
        "DicomModalities": {"preop": ["PREOP", "127.0.0.1", receive]},
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        **changes,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([executable, str(folder / "orthanc.json")], stdout=log, stderr=log)
    server = Orthanc(folder, http, dicom, process, folder / "pacs.yaml")
    server.connections.write_text(_connections(http, dicom, receive), encoding="utf-8")
    (folder / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    (folder / "wrong").write_text("wrong\n", encoding="utf-8")
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", http), 1):
            return server
        time.sleep(0.05)
    server.stop()
    raise RuntimeError((folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])


def _connections(http: int, dicom: int, receive: int) -> str:
    web = f"protocol: dicomweb, url: 'http://localhost:{http}/dicom-web', user: {USER}, timeout_s: 10"
    dimse = f"protocol: dimse, host: 127.0.0.1, port: {dicom}, timeout_s: 10"
    return f"""
web: {{{web}, password_file: password}}
stranger: {{{web}, password_file: wrong}}
dimse: {{{dimse}, called_ae: ORTHANC}}
move: {{{dimse}, called_ae: ORTHANC, retrieve: move, receive_port: {receive}}}
misnamed: {{{dimse}, called_ae: NOBODY}}
tls: {{{dimse}, called_ae: ORTHANC, tls: true}}
away: {{protocol: dicomweb, url: 'http://localhost:{free_port()}/dicom-web', timeout_s: 3}}
away-dimse: {{protocol: dimse, host: 127.0.0.1, port: {free_port()}, called_ae: X, timeout_s: 3}}
"""


@contextlib.contextmanager
def behind_tls(server: Orthanc, folder: Path) -> Iterator[int]:
    """A port of its own on which the server speaks TLS, with a new certificate for localhost in the folder.

    Debian's Orthanc 1.10.1 crashes on its first HTTPS request, so a relay stands before it, as in a clinic.
    """
    folder.mkdir()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = listening.accept()
                try:
                    near = context.wrap_socket(plain, server_side=True)
                except OSError:  # whoever called does not accept our certificate
                    plain.close()
                    continue
                far = socket.create_connection(("127.0.0.1", server.http))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
