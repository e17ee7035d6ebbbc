"""Every command with inputs that are nothing: each must end by itself, soon, and say what is wrong.

``python -m Testing.faults.watchdog`` prints one line of JSON for each run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Before numpy is imported: its threads would not outlive a fork.

from . import forked
from .generators.names import commands
from .judge import judge, snapshot
from .trial import Trial

SECONDS = 60.0
ALONE = {"demo", "models list", "phantom liver", "phantom shoulder", "train"}
"""Commands that need no input, of which some compute for long."""
INPUTS = ("nothing/there", "empty.nii.gz", "folder", "text.txt")


def trials() -> Iterator[Trial]:
    """Each command with each of `INPUTS` for all of its arguments and needed options."""
    for name, needed in required().items():
        if name in ALONE:
            continue
        for given in INPUTS:
            words = [given if option is None else f"{option}={given}" for option in needed]
            arguments = [*name.split(), *(w for w in words if w.startswith("-")), *(w for w in words if w[0] != "-")]
            yield Trial(f"{name} {given}", arguments, outputs=("out",), seconds=SECONDS)


def required() -> dict[str, list[str | None]]:
    """What each command must be given: options by name, None for an argument; the output is ``out``."""
    from preopreview.cli import whole_command

    required_options: dict[str, list[str | None]] = {}

    def walk(command: object, path: list[str]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, [*path, name])
        if not hasattr(command, "commands"):
            required_options[" ".join(path)] = [
                None if p.param_type_name == "argument" else max(p.opts, key=len)
                for p in command.params  # type: ignore[attr-defined]
                if p.required and "--out" not in p.opts and "--output" not in p.opts
            ]

    walk(whole_command(), [])
    return required_options


def main() -> int:
    """Returns 1 if a run failed."""
    forked.preload()
    failed = 0
    known = commands()
    with tempfile.TemporaryDirectory(prefix="preop-watchdog-") as temporary:
        for number, trial in enumerate(trials()):
            folder = Path(temporary) / str(number)
            (folder / "folder").mkdir(parents=True)
            (folder / "empty.nii.gz").write_bytes(b"")
            (folder / "text.txt").write_text("not,what\nis,asked for\n")
            name = " ".join(trial.arguments[:3])
            name = next(n for n in sorted(known, key=len, reverse=True) if (name + " ").startswith(n + " "))
            if any(option in ("--out", "--output") for option, _, _ in known[name]):
                trial.arguments += ["-o", "out"]
            ran = forked.run(trial, folder)
            verdict = judge(trial, ran, folder, {k: v for k, v in snapshot(folder).items() if not k.startswith("out")})
            failed += verdict.failed
            print(json.dumps([trial.what, verdict.outcome, verdict.seen, ran.code, round(ran.seconds, 2)]), flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
