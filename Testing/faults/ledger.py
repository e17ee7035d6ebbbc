"""What came of the trials: one line of JSON each, written when it ends, so that an interruption loses none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .judge import FAILURES, REFUSED, SUCCEEDED, Verdict
from .trial import Trial


@dataclass(frozen=True)
class Entry:
    """A trial and its verdict: `kind`, `number` and the campaign's `seed` make it again."""

    seed: int
    kind: str
    number: int
    what: str
    verdict: Verdict
    arguments: list[str]

    @classmethod
    def of(cls, seed: int, kind: str, number: int, trial: Trial, verdict: Verdict) -> Entry:
        """The entry of a trial that has ended."""
        return cls(seed, kind, number, trial.what, verdict, trial.arguments)

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from the others of its campaign."""
        return self.kind, self.number

    def write(self, file: Path) -> None:
        """Adds its line to a file."""
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps(asdict(self)) + "\n")


def read(files: Iterable[Path]) -> list[Entry]:
    """All entries of some files; a last line that a kill has cut is left out, and its trial made again."""
    entries = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                held = json.loads(line)
                entries.append(Entry(**{**held, "verdict": Verdict(**held["verdict"])}))
    return entries


@dataclass
class Campaign:
    """What came of all runs.

    Attributes:
        kinds: their order in the table.
    """

    seed: int
    kinds: list[str]
    entries: list[Entry] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """Runs in all."""
        return len(self.entries)

    @property
    def failures(self) -> list[Entry]:
        """The runs that failed."""
        return [e for e in self.entries if e.verdict.failed]

    def table(self) -> str:
        """The counts in Markdown."""
        counts = {kind: Counter(e.verdict.outcome for e in self.entries if e.kind == kind) for kind in self.kinds}
        rows = [
            [k, c.total(), c[REFUSED], c[SUCCEEDED], sum(c[f] for f in FAILURES)]
            for k, c in counts.items()
            if c.total()
        ]
        rows.append(["all", *(sum(r[n] for r in rows) for n in range(1, 5))])
        head = ["kind", "tried", REFUSED, SUCCEEDED, "failed"]
        lines = ["| " + " | ".join(map(str, r)) + " |" for r in [head, ["---", *["---:"] * 4], *rows]]
        outcomes = Counter(f.verdict.outcome for f in self.failures)
        words = ", ".join(f"{n} {outcomes[n]}" for n in FAILURES if outcomes[n]) or "none"
        return "\n".join(lines) + f"\n\nFailures by what was seen: {words}.\n"
