"""The server before the readers' sessions: who may come in, one process for each reader, and nothing shared.

On loopback a token in the address lets one reader in, and a new one is printed for the next. Elsewhere a password is
asked for, or a reverse proxy in front names the reader in a header. A cookie then ties the browser to its session; the
session itself listens on loopback and answers the gate alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import html
import os
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from PreopReviewLib.errors import InputError, PreopError
from PreopReviewLib.jobs.python import environment
from PreopReviewLib.review.annotation import checked_reader
from PreopReviewLib.review.needs import PREPARE, SECRET_HEADER, SECRET_VARIABLE

COOKIE = "preop_review"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
START_SECONDS, IDLE_SECONDS = 180.0, 1800.0
SPARE_AFTER_S = 10.0
"""The next session is made ready when all readers have rested for so long: it takes all cores for some seconds."""
PASSWORD_PAUSE_S = 1.0
"""After a wrong password."""
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "frame-ancestors 'none'; form-action 'self'"
)
"""Nothing from elsewhere; Vue's templates are compiled in the page, hence unsafe-eval."""
_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "cookie",
    "content-encoding",
}


@dataclass
class ReaderSession:
    """One reader's process; `port` is 0 where it could not start."""

    reader: str
    process: asyncio.subprocess.Process
    port: asyncio.Task[int]
    secret: str
    connections: int = 0
    last_used: float = field(default_factory=time.monotonic)
    """When its browser last sent something."""


@dataclass
class Gate:
    """The server.

    Attributes:
        folder: what is reviewed.
        password: asked for, where not empty; else tokens are.
        reader_header: header in which a reverse proxy names the reader, where not empty.
        limit: sessions at once.
        say: told the address for the next reader, and what goes wrong.
    """

    folder: Path
    host: str = "127.0.0.1"
    port: int = 0
    password: str = ""
    reader_header: str = ""
    limit: int = 4
    say: Callable[[str], None] = print
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    sessions: dict[str, ReaderSession] = field(default_factory=dict)
    _spare: ReaderSession | None = None
    _client: ClientSession | None = None
    _next: asyncio.Task[None] | None = None
    _expected: asyncio.Task[None] | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def by_token(self) -> bool:
        """Whether a token lets readers in."""
        return not self.password and not self.reader_header

    @property
    def address(self) -> str:
        """Where the next reader goes."""
        place = f"http://{self.host if self.host not in LOOPBACK else 'localhost'}:{self.port}/"
        return f"{place}?token={self.token}" if self.by_token else place

    async def run(self, ready: Callable[[], None] | None = None) -> None:
        """Serves until it is cancelled; all sessions end with it.

        Raises:
            InputError: the port is in use, or the address is not one of this computer's.
        """
        application = web.Application(middlewares=[self._check_host], client_max_size=4 << 20)
        application.router.add_get("/_review/enter", self._enter_page)
        application.router.add_post("/_review/enter", self._enter)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except OSError as error:
            await runner.cleanup()
            raise InputError(
                f"Nothing can be served at {self.host}:{self.port} ({error.strerror or error})",
                "Choose another port; this one may be in use",
            ) from error
        self.port = runner.addresses[0][1]
        self._client = ClientSession(auto_decompress=False)
        self._spare = await self._prepared()
        if ready:
            ready()
        try:
            while True:
                await asyncio.sleep(5)
                await self._end_idle()
        finally:
            for task in filter(None, (self._next, self._expected)):
                task.cancel()
            for session in filter(None, (self._spare, *self.sessions.values())):
                _end(session)
                await session.process.wait()
            await self._client.close()
            await runner.cleanup()

    # ---- coming in ----

    @web.middleware
    async def _check_host(self, request: web.Request, handler: Any) -> Any:
        """Against pages of other sites that send the browser here: only our own name, and our own pages."""
        name = (request.headers.get("Host") or "").rsplit(":", 1)[0].strip("[]")
        if self.host in LOOPBACK and not self.reader_header and name not in LOOPBACK:
            raise web.HTTPForbidden(text="Use the address that preop review has printed.")
        origin = request.headers.get("Origin")
        if origin and origin.split("://", 1)[-1] != request.headers.get("Host"):
            raise web.HTTPForbidden(text="This request comes from another site.")
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Referrer-Policy"] = "same-origin"
        return response

    def _session_of(self, request: web.Request) -> ReaderSession | None:
        session = self.sessions.get(request.cookies.get(COOKIE, ""))
        return session if session and session.process.returncode is None else None

    async def _enter_page(self, request: web.Request) -> web.Response:
        if not self.by_token or hmac.compare_digest(request.query.get("token", "").encode(), self.token.encode()):
            self._expected = asyncio.create_task(self._expect())
        token = html.escape(request.query.get("token", ""))
        problem = html.escape(request.query.get("problem", ""))
        password = '<label>Password <input name="password" type="password" required></label>' if self.password else ""
        name = "" if self.reader_header else '<label>Your name <input name="reader" required autofocus></label>'
        text = _ENTER.format(token=token, problem=problem, password=password, name=name)
        return web.Response(text=text, content_type="text/html")

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        try:
            reader = checked_reader(self._name_of(request, str(form.get("reader", ""))))
            if not await self._may_enter(str(form.get("token", "")), str(form.get("password", ""))):
                raise InputError("That is not right", "Use the newest address, or the password")
            async with self._starting:
                key = await self._start(reader)
        except PreopError as error:
            from urllib.parse import urlencode

            query = {"problem": str(error), "token": str(form.get("token", ""))}
            raise web.HTTPSeeOther(f"/_review/enter?{urlencode(query)}") from None
        answer = web.HTTPSeeOther("/")
        answer.set_cookie(COOKIE, key, httponly=True, samesite="Strict", path="/")
        if self.by_token:
            self.token = secrets.token_urlsafe(24)
            self.say(f"For the next reader: {self.address}")
        raise answer

    def _name_of(self, request: web.Request, given: str) -> str:
        return request.headers.get(self.reader_header, "") if self.reader_header else given

    async def _may_enter(self, token: str, password: str) -> bool:
        if self.reader_header:
            return True
        wanted, given = (self.password, password) if self.password else (self.token, token)
        if hmac.compare_digest(given.encode(), wanted.encode()):
            return True
        await asyncio.sleep(PASSWORD_PAUSE_S)
        return False

    async def _start(self, reader: str) -> str:
        """A session for a reader; the one that the reader has already, if its process lives."""
        await self._end_idle()
        for key, session in list(self.sessions.items()):
            if session.reader == reader:
                fresh = secrets.token_urlsafe(24)
                self.sessions[fresh] = self.sessions.pop(key)  # a reader has one browser at a time
                return fresh
        if len(self.sessions) >= self.limit:
            raise InputError(f"All {self.limit} places are taken", "Wait until another reader has left")
        if self._next:
            self._next.cancel()
        await self._make_spare()
        session, self._spare = self._spare, None
        assert session is not None  # there is a place
        await self._tell(session, reader)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(session.port), START_SECONDS)
        if not session.port.done() or not session.port.result():
            _end(session)
            raise InputError("The session of the reader could not be started", "See what the server has printed")
        session.reader, session.last_used = reader, time.monotonic()
        key = secrets.token_urlsafe(24)
        self.sessions[key] = session
        self._next = asyncio.create_task(self._make_spare_in_a_rest())
        return key

    async def _make_spare(self) -> None:
        if self._spare and self._spare.process.returncode is not None:
            self._spare = None
        if self._spare is None and len(self.sessions) < self.limit:
            self._spare = await self._prepared()

    async def _expect(self) -> None:
        """While a reader types a name, a session reads the first case."""
        async with self._starting:
            await self._make_spare()
            await self._tell(self._spare, PREPARE)

    async def _make_spare_in_a_rest(self) -> None:
        """The next reader does not wait for imports, and those who are there do not wait for the next one's."""
        while time.monotonic() - max((s.last_used for s in self.sessions.values()), default=0.0) < SPARE_AFTER_S:
            await asyncio.sleep(1)
        async with self._starting:
            await self._make_spare()

    @staticmethod
    async def _tell(session: ReaderSession | None, line: str) -> None:
        if session is None or session.process.stdin is None:
            return
        with contextlib.suppress(ConnectionError):  # it has died, which its port says
            session.process.stdin.write(f"{line}\n".encode())
            await session.process.stdin.drain()

    async def _prepared(self) -> ReaderSession:
        """A session's process that makes its page ready, and waits for its reader's name."""
        secret = secrets.token_urlsafe(32)
        words = ["-m", "PreopReviewLib.review.session", "--folder", str(self.folder)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=environment({SECRET_VARIABLE: secret}),
            limit=1 << 20,
        )
        return ReaderSession("", process, asyncio.create_task(_port_of(process)), secret)

    async def _end_idle(self) -> None:
        for key, session in list(self.sessions.items()):
            idle = not session.connections and time.monotonic() - session.last_used > IDLE_SECONDS
            if idle or session.process.returncode is not None:
                _end(session)
                del self.sessions[key]

    # ---- what a session answers ----

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        session = self._session_of(request)
        if session is None:
            token = request.query.get("token", "")
            raise web.HTTPSeeOther(f"/_review/enter?token={token}" if token else "/_review/enter")
        session.last_used = time.monotonic()
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._pass_socket(request, session)
        assert self._client is not None
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        headers[SECRET_HEADER] = session.secret
        where = f"http://127.0.0.1:{session.port.result()}{request.rel_url}"
        body = await request.read()
        async with self._client.request(
            request.method, where, headers=headers, data=body or None, allow_redirects=False
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP - {"content-encoding"}}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def _pass_socket(self, request: web.Request, session: ReaderSession) -> web.StreamResponse:
        assert self._client is not None
        near = web.WebSocketResponse(max_msg_size=0, heartbeat=30, compress=False)
        await near.prepare(request)
        session.connections += 1
        try:
            async with self._client.ws_connect(
                f"ws://127.0.0.1:{session.port.result()}{request.rel_url}",
                headers={SECRET_HEADER: session.secret},
                max_msg_size=0,
                compress=0,
            ) as far:
                await asyncio.wait(
                    [
                        asyncio.create_task(_pump(near, far, session)),
                        asyncio.create_task(_pump(far, near, None)),
                    ],
                    return_when=asyncio.FIRST_COMPLETED,
                )
                await far.close()
        finally:
            session.connections -= 1
            session.last_used = time.monotonic()
            await near.close()
        return near


Socket = web.WebSocketResponse | ClientWebSocketResponse


async def _pump(source: Socket, target: Socket, used: ReaderSession | None) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):  # one of both ends has gone
        async for message in source:
            if used is not None:
                used.last_used = time.monotonic()
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)


async def _port_of(process: asyncio.subprocess.Process) -> int:
    assert process.stdout is not None
    port = 0
    while line := await process.stdout.readline():
        marked = line.decode(errors="replace").rpartition("READY ")  # others may have printed before it
        if marked[1] and marked[2].strip().isdigit():
            port = int(marked[2])
            break
    if port:
        asyncio.get_running_loop().create_task(_drain(process.stdout))
    return port


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(1 << 16):
        pass


def _end(session: ReaderSession) -> None:
    if session.process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            session.process.kill()


_ENTER = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>PreopReview</title><link rel="icon" href="data:,">
<style>body {{ font: 16px system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; }}
label, button {{ display: block; margin: 12px 0; }}
input {{ display: block; width: 100%; padding: 8px; font: inherit; }}
button {{ padding: 8px 20px; font: inherit; }} .problem {{ color: #a01030; }}</style></head>
<body><h1>PreopReview</h1><p>Not for clinical use: research software, not a medical device.</p>
<p class="problem" role="alert">{problem}</p>
<form method="post" action="/_review/enter"><input type="hidden" name="token" value="{token}">
{name}{password}<button type="submit">Open the review</button></form></body></html>
"""


def check_exposure(host: str, password: str, reader_header: str) -> None:
    """Raises InputError where others could come in without having been let in."""
    if host not in LOOPBACK and not password and not reader_header:
        raise InputError(
            f"{host} can be reached from other computers, so that everyone could see the images",
            "Give a password, or serve behind a proxy that names the reader",
        )


def serve(gate: Gate, ready: Callable[[], None] | None = None) -> None:
    """Runs a gate until the program is stopped.

    Raises:
        InputError: as `Gate.run`.
    """
    os.environ.setdefault("TRAME_DISABLE_V3_WARNING", "1")
    asyncio.run(gate.run(ready))
