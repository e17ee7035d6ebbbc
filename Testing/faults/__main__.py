"""``python -m Testing.faults``: runs the campaign and prints, or writes into the documentation, what came of it."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Before numpy is imported: its threads would not outlive a fork.

from .campaign import Wanted, run_campaign
from .generators import KINDS
from .ledger import Campaign

BEGIN, END = "<!-- campaign -->", "<!-- end of campaign -->"


def main() -> int:
    """Returns 1 if a run failed."""
    parser = argparse.ArgumentParser(prog="python -m Testing.faults", description=__doc__)
    parser.add_argument("--runs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", default=[], choices=list(KINDS))
    parser.add_argument("--number", type=int, help="one trial of a kind")
    parser.add_argument("--minutes", type=float, help="no run is begun after them")
    parser.add_argument("--jobs", type=int, default=1, help="processes beside each other")
    parser.add_argument("--keep", type=Path, help="folder in which the trials that fail are left")
    parser.add_argument("--write", type=Path, help="page of the documentation that gets the table")
    parser.add_argument("--ledger", type=Path, help="folder of what came of each run; those in it are not run again")
    parser.add_argument("--json", type=Path, help="file for the failures")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="preop-faults-", ignore_cleanup_errors=True) as temporary:
        place = (given.keep or Path(temporary)).absolute()
        place.mkdir(parents=True, exist_ok=True)
        ledger = (given.ledger or Path(temporary) / "ledger").absolute()
        wanted = Wanted(given.runs, ledger, given.seed, given.kind, given.number, given.minutes, given.keep is not None)
        campaign = run_campaign(place, wanted, given.jobs, lambda words: print(words, flush=True))
    print(campaign.table(), f"{time.monotonic() - began:.0f} s", sep="\n")
    if given.json:
        given.json.write_text(json.dumps([asdict(f) for f in campaign.failures], indent=1) + "\n")
    if given.write:
        write(given.write, campaign)
    return int(bool(campaign.failures))


def write(page: Path, campaign: Campaign) -> None:
    """Puts the table between the two marks of a page."""
    text = page.read_text(encoding="utf-8")
    words = f"{BEGIN}\n`make faults SEED={campaign.seed}`: {campaign.tried} runs.\n\n{campaign.table()}{END}"
    page.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: words, text, flags=re.DOTALL), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
