"""The workers of a cohort: processes of this computer, or a Dask cluster that runs already."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PreopReviewLib.errors import InputError, OutputError
from PreopReviewLib.memory_errors import is_out_of_memory
from PreopReviewLib.output import private_folder

if TYPE_CHECKING:
    from distributed import Client

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ITK_VARIABLE = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
CORES_A_WORKER = 2
"""Where nothing else is asked for: networks on one core leave the other idle while files are read and written."""
OWN_ADDRESS = "127.0.0.1:0"
"""Whatever listens, listens to this computer alone; Dask's status pages would listen to all others, too."""
CONNECTION_SECONDS, START_SECONDS = 15, 300


@dataclass(frozen=True)
class Size:
    """How many workers there are on this computer, how many threads each has, and which GPU (None: no GPU)."""

    workers: int
    threads: int
    gpus: tuple[str, ...] = ()


def size_here(memory_gb: float, workers: int | None = None, threads: int | None = None) -> Size:
    """As many workers as cores, memory and, where there are any, GPUs allow; each GPU has one worker.

    Args:
        memory_gb: what one case takes at most.
        workers, threads: of each; None lets the computer decide.

    Raises:
        InputError: fewer than one.
    """
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    for name, number in (("workers", workers), ("threads", threads)):
        if number is not None and number < 1:
            raise InputError(f"The number of {name} must be at least 1, got {number}", "Give a positive number")
    gpus = _gpus()
    if workers is None:
        by_memory = int(0.8 * MEMORY_LIMIT / 2**30 / memory_gb)
        by_cores = CPU_COUNT // (threads or CORES_A_WORKER)
        workers = max(1, min([by_memory, by_cores, *([len(gpus)] if gpus else [])]))
    return Size(workers, threads or max(1, CPU_COUNT // workers), gpus)


def _gpus() -> tuple[str, ...]:
    """Numbers of the GPUs that may be used."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return tuple(v for v in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if v.strip() and v.strip() != "-1")
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False, timeout=20)
    lines = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(n) for n in range(len(lines))) if listed.returncode == 0 else ()


def require_distributed() -> None:
    """Raises InputError where the library is not installed."""
    if find_spec("distributed") is None:
        raise InputError("A cohort needs the package distributed", "Install it: pip install 'preopreview[cohort]'")


@contextmanager
def local_client(size: Size) -> Iterator[Client]:
    """Worker processes on this computer, for the time of the block; one that dies is replaced."""
    require_distributed()
    import dask
    from distributed import Client, Scheduler, Security, SpecCluster

    security = Security.temporary()  # else everyone on this computer could have code run in our name
    options = {"dashboard_address": OWN_ADDRESS, "host": "127.0.0.1", "port": 0, "protocol": "tls://"}
    scheduler = {"cls": Scheduler, "options": {**options, "security": security}}
    quiet = {"security": security, "silence_logs": "CRITICAL"}
    with (
        private_folder() as scratch,
        dask.config.set({**_CONFIGURATION, "temporary-directory": str(scratch)}),
        _started(lambda: SpecCluster(_workers(size, security, scratch), scheduler=scheduler, **quiet)) as cluster,
        Client(cluster, security=security) as client,
    ):
        try:
            client.wait_for_workers(size.workers, timeout=START_SECONDS)
        except TimeoutError as error:
            raise InputError(
                f"Not all of {size.workers} workers started in {START_SECONDS} s", "Use fewer; the computer may be busy"
            ) from error
        yield client


def _workers(size: Size, security: Any, scratch: Path) -> dict[int, dict[str, Any]]:
    """What Dask is told of each worker; `scratch` is for its temporary files."""
    from distributed import Nanny
    from distributed.system import MEMORY_LIMIT

    environment = dict.fromkeys((*THREAD_VARIABLES, ITK_VARIABLE), str(size.threads))
    memory = int(MEMORY_LIMIT / size.workers)
    specification = {}
    for number in range(size.workers):
        own = {"CUDA_VISIBLE_DEVICES": size.gpus[number % len(size.gpus)]} if size.gpus else {}
        options = {
            "nthreads": 1,
            "memory_limit": memory,
            "env": environment | own,
            "silence_logs": "CRITICAL",
            "host": "127.0.0.1",
            "dashboard_address": OWN_ADDRESS,
            "protocol": "tls://",
            "security": security,
            "local_directory": str(scratch),
        }
        specification[number] = {"cls": Nanny, "options": options}
    return specification


def _started(start: Callable[[], Any]) -> Any:
    """A cluster, or one sentence on what this computer lacks for it."""
    try:
        return start()
    except (OSError, RuntimeError) as error:  # Dask packs what it met into an error of its own
        if is_out_of_memory(error) or is_out_of_memory(error.__cause__ or error):
            raise
        raise OutputError(
            f"The workers cannot be started ({str(error).splitlines()[0]})",
            "Free some space in the folder for temporary files",
        ) from error


_CONFIGURATION: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": 10,  # Dask blames a worker's death on all cases that it was given
    "distributed.scheduler.worker-saturation": 1.0,  # a case waits at the scheduler, not at a busy worker
    "distributed.scheduler.http.routes": [],
    "distributed.worker.profile.enabled": False,  # sampling the stack of a case costs a tenth of its time
    "distributed.nanny.pre-spawn-environ": {},  # Dask's own has memory given back so eagerly that arrays fault anew
    "distributed.worker.memory.target": False,  # cases keep their data in files: there is nothing to spill
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
    "distributed.deploy.lost-worker-timeout": "1d",  # a worker that starts slowly again is not given up
    "distributed.admin.low-level-log-length": 1000,
    "distributed.admin.tick.interval": "500ms",  # a busy worker answers late, and need not be watched 50 times a second
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.comm.timeouts.connect": f"{CONNECTION_SECONDS}s",
}


@contextmanager
def joined_client(address: str) -> Iterator[Client]:
    """The cluster at an address, whose workers go on afterwards.

    Raises:
        InputError: nothing answers there, it has no worker, or other versions of Dask or PreopReview.
    """
    require_distributed()
    import dask
    from distributed import Client

    with dask.config.set(_CONFIGURATION):
        try:
            client = Client(address, timeout=CONNECTION_SECONDS)
        except (OSError, ValueError, ImportError, TypeError, KeyError) as error:
            raise InputError(
                f"No Dask scheduler of a compatible version answers at {address} ({_first_line(error)})",
                "Check the address and that it runs; both sides need the same version of distributed",
            ) from error
    with client:
        _require_workers(client, address)
        yield client


def _require_workers(client: Client, address: str) -> None:
    import distributed

    from PreopReviewLib.cohort.work import versions

    there = client.get_versions()
    theirs = there["scheduler"]["packages"]["distributed"]
    if theirs != distributed.__version__:
        raise InputError(
            f"The scheduler at {address} has distributed {theirs}, but {distributed.__version__} is installed here",
            "Install the same version on both sides",
        )
    if not there["workers"]:
        raise InputError(f"The scheduler at {address} has no worker", "Start workers that join it")
    try:
        replies = client.run(versions, on_error="return")
    except Exception as error:  # whatever a remote side cannot unpack
        raise InputError(f"The workers at {address} do not answer ({_first_line(error)})", "Restart them") from error
    for worker, theirs in replies.items():
        if isinstance(theirs, BaseException):
            raise InputError(
                f"The worker {worker} cannot run PreopReview ({_first_line(theirs)})",
                "Install preopreview[cohort] of the same version where the workers run",
            )
        if theirs != versions():
            raise InputError(
                f"The worker {worker} has {_listed(theirs)}, but {_listed(versions())} is installed here",
                "Install the same versions on both sides",
            )


def _listed(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
