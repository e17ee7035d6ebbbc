"""A nanny that replaces every worker process that died, those too that died while they started."""

from __future__ import annotations

from typing import Any

from distributed import Nanny, Status
from tornado.ioloop import PeriodicCallback

LOOK_MS = 2000


class KeepingNanny(Nanny):
    """Dask's own restarts a worker that dies at work, but leaves its place empty if it dies before it is ready."""

    async def start_unsafe(self) -> Any:
        """Starts the worker and keeps looking after it."""
        started = await super().start_unsafe()
        self.periodic_callbacks["worker"] = PeriodicCallback(self._look_after_worker, LOOK_MS)
        self.periodic_callbacks["worker"].start()
        return started

    async def _look_after_worker(self) -> None:
        gone = self.process is not None and self.process.status in (Status.stopped, Status.failed)
        if self.status == Status.running and gone:
            await self.instantiate()
