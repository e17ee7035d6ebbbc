"""Runs the benchmarks: `python -m Testing.Benchmarks [topic ...]`, all of them by default.

Each is a script of its own, `bench_<topic>.py`, that compares within one run and writes `results/<topic>.json`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Runs the topics named on the command line; the exit code counts those that failed."""
    known = {p.stem.removeprefix("bench_"): p for p in sorted(HERE.glob("bench_*.py"))}
    wanted = sys.argv[1:] or list(known)
    unknown = [t for t in wanted if t not in known]
    if unknown:
        print(f"No benchmark called {', '.join(unknown)}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    failed = 0
    for topic in wanted:
        print(f"\n== {topic} ==", flush=True)
        failed += subprocess.run([sys.executable, str(known[topic])]).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
