"""Tables: other encodings and separators, which must not change a number, and damage, which must be refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from ..material import Material
from ..trial import Ran, Trial
from .damage import cut, flip, insert, pick, same_or_noted

FEATURES = "first/a/features.csv"
COMMANDS = {
    "evaluate.csv": ["evaluate", "--paper", "oh2023", "--cases", "evaluate.csv", "-o", "out", "--no-figures", "--json"],
    "readers.csv": ["cuff", "evaluate", "truth.csv", "--readers", "readers.csv", "-o", "out", "--no-figures", "--json"],
    "truth.csv": ["cuff", "evaluate", "truth.csv", "--readers", "readers.csv", "-o", "out", "--no-figures", "--json"],
    FEATURES: ["liver", "radiomics-agreement", "first", "second", "-o", "out"],
}
_FORMS = ["utf-8-sig", "utf-16", "utf-16-be", "latin-1", "cp1252", "semicolon", "tab", "semicolon and comma", "quoted"]
_FORMS += ["CRLF", "CR", "blank lines", "columns moved", "spaces", "sep=", "apostrophes", "no line end", "upper case"]
_DAMAGE = [
    "cell gone",
    "cell more",
    "row twice",
    "word",
    "word",
    "word",
    "quote",
    "long cell",
    "null",
    "bytes",
    "inserted",
]
_DAMAGE += ["column gone", "column twice", "empty", "header only", "cut in a row", "comma in a number", "mixed"]
_WORDS = [
    "nan",
    "inf",
    "-inf",
    "1e400",
    "x",
    "1,5",
    "0x10",
    "1_000",
    "--",
    "=1+1",
    "１２",
    "1e-400",
    "tru\xe9",
    "\u202e1",
    "9" * 400,
]


def table(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """One of the tables of four commands, in another form or damaged."""
    name = pick(rng, COMMANDS)
    for other in ("truth.csv", "readers.csv", "first", "second"):
        if other in COMMANDS[name]:
            material.put(other, folder)
    raw = (material.folder / name).read_bytes()
    rows = list(csv.reader(io.StringIO(raw.decode())))
    sound = rng.random() < 0.45
    what = pick(rng, _FORMS if sound else _DAMAGE)
    new = _in_form(rng, rows, what) if sound else _damaged(rng, rows, raw, what)
    (folder / name).write_bytes(new)
    outputs = ("out",)
    if name == FEATURES:  # prints nothing as JSON: what it writes is compared
        return Trial(f"{name}: {what}", COMMANDS[name], _same_file(material, sound), outputs)
    reference = material.results[name]

    def check(ran: Ran, place: Path) -> str:
        if not sound and what.split(":")[0] in ("row twice", "word", "bytes", "inserted", "column gone", "null"):
            return _taken(what, ran)
        return same_or_noted(reference)(ran, place)

    return Trial(f"{name}: {what}", COMMANDS[name], check, outputs)


def _taken(what: str, ran: Ran) -> str:
    """Damage of letters can make another sound table (a case of another name, an empty cell); no number is made up."""
    return "a number was printed that is none" if "NaN" in ran.out or "Infinity" in ran.out else ""


def _same_file(material: Material, sound: bool):
    expected = material.results[FEATURES]

    def check(_ran: Ran, folder: Path) -> str:
        if not sound:
            return ""
        return "" if (folder / "out").read_text() == expected else "another table than that of the undamaged input"

    return check


def _in_form(rng: np.random.Generator, rows: list[list[str]], what: str) -> bytes:
    separator, encoding, end, quoting = ",", "utf-8", "\n", csv.QUOTE_MINIMAL
    rows = [list(r) for r in rows]
    if what in ("utf-8-sig", "utf-16", "latin-1", "cp1252"):
        encoding = what
    elif what == "utf-16-be":
        return b"\xfe\xff" + _text(rows, ",", "\n", quoting).encode("utf-16-be")
    elif what in ("semicolon", "tab", "semicolon and comma"):
        separator = "\t" if what == "tab" else ";"
        if what == "semicolon and comma":
            rows = [
                rows[0],
                *([c.replace(".", ",") if c.replace(".", "").isdigit() else c for c in r] for r in rows[1:]),
            ]
    elif what == "quoted":
        quoting = csv.QUOTE_ALL
    elif what in ("CRLF", "CR"):
        end = "\r\n" if what == "CRLF" else "\r"
    elif what == "blank lines":
        for _ in range(3):
            rows.insert(int(rng.integers(1, len(rows))), [])
    elif what == "columns moved":
        order = rng.permutation(len(rows[0]))
        rows = [[r[i] for i in order] for r in rows]
    elif what == "spaces":
        rows = [[f" {c} " for c in r] for r in rows]
    elif what == "apostrophes":
        rows = [[f"'{c}" if c[:1] in "+-=@" else c for c in r] for r in rows]
    elif what == "upper case":
        rows[0] = [c.upper() for c in rows[0]]
    text = _text(rows, separator, end, quoting)
    if what == "sep=":
        text = "sep=,\n" + text
    if what == "no line end":
        text = text.rstrip("\n")
    return text.encode(encoding, "replace")


def _text(rows: list[list[str]], separator: str, end: str, quoting: int) -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator=end, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return stream.getvalue()


def _damaged(rng: np.random.Generator, rows: list[list[str]], raw: bytes, what: str) -> bytes:
    rows = [list(r) for r in rows]
    at, column = int(rng.integers(1, len(rows))), int(rng.integers(len(rows[0])))
    if what == "cell gone":
        del rows[at][column]
    elif what == "cell more":
        rows[at].insert(column, "7")
    elif what == "row twice":
        rows.insert(at, rows[at])
    elif what == "word":
        rows[int(rng.integers(0, len(rows)))][column] = pick(rng, _WORDS)
    elif what == "long cell":
        rows[at][column] = "a" * int(pick(rng, [40_000, 200_000, 2_000_000]))
    elif what == "column gone":
        rows = [r[:column] + r[column + 1 :] for r in rows]
    elif what == "column twice":
        rows = [[*r, r[column]] for r in rows]
    elif what == "empty":
        rows = []
    elif what == "header only":
        rows = rows[:1]
    if what in ("quote", "null", "bytes", "inserted", "cut in a row", "comma in a number", "mixed"):
        return _damaged_text(rng, raw, what)
    return _text(rows, ",", "\n", csv.QUOTE_MINIMAL).encode("utf-8", "replace")


def _damaged_text(rng: np.random.Generator, raw: bytes, what: str) -> bytes:
    if what == "quote":
        at = int(rng.integers(len(raw)))
        return raw[:at] + b'"' + raw[at:]
    if what == "null":
        at = int(rng.integers(len(raw)))
        return raw[:at] + b"\0" + raw[at:]
    if what == "cut in a row":
        lines = raw.split(b"\n")
        at = int(rng.integers(1, len(lines) - 2))
        return b"\n".join([*lines[:at], lines[at][: lines[at].rindex(b",")]])
    if what == "comma in a number":
        return raw.replace(b".", b",", 1)
    if what == "mixed":
        half = len(raw) // 2
        return raw[:half] + raw[half:].replace(b",", b";")
    return {"bytes": flip, "inserted": insert}.get(what, cut)(rng, raw)
