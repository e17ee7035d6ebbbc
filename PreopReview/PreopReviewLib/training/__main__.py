"""`python -m PreopReviewLib.training`: the same as `preop train`, without the rest of the command."""

from __future__ import annotations

import argparse
from pathlib import Path

from PreopReviewLib.command.console import run
from PreopReviewLib.training.fit import RunSettings, start_run
from PreopReviewLib.training.recipe import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m PreopReviewLib.training")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--data", default="phantoms")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--shapes", action="append", default=[], metavar="FILE:LABEL")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    recipe = load_recipe(given.recipe).set_from_words(given.set)
    settings = RunSettings(given.data, given.shapes, given.minutes, given.device, given.workers, given.threads)

    def show(fraction: float, words: str) -> None:
        if words.split(",")[0].endswith("0"):
            print(f"[{fraction:4.0%}] {words}", flush=True)

    print(start_run(recipe, given.output, settings, given.resume, show))


if __name__ == "__main__":
    run(main)
