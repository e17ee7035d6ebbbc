"""Damaged JSON and YAML: values of other types, keys gone or twice, depth, aliases, encodings, half a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..fence import STRANGER, own_of, placed
from ..material import TINY_RECIPE, Material, recipe_text
from ..trial import Ran, Trial
from .damage import cut, flip, insert, pick, said, without

_VALUES: list[Any] = [None, True, -1, 0, 1.5, 10**30, "", "x", "../../x", "a" * 3000, [], {}, [[]], [None], {"a": {}}]
_VALUES += [float("nan"), float("inf"), "\u202e\x1b[2J", "=1+1", STRANGER]
DOCUMENTS = {
    "worklist": ("list/worklist.json", ["liver", "truth", "list", "list", "--json"]),
    "progress": ("list/ann/progress.json", ["liver", "truth", "list", "list", "--json"]),
    "study": (
        "study/study.json",
        ["cuff", "evaluate", "truth.csv", "--study", "study", "-o", "out", "--no-figures", "--json"],
    ),
    "package": ("package/configs/metadata.json", ["models", "install", "tiny", "--from", "package", "--json", "-q"]),
    "data set": (
        "data/dataset.json",
        ["train", "--recipe", "recipe.yaml", "--data", "data", "-o", "out", "--workers", "0"],
    ),
}


def document(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """One of the JSON files that commands keep or are given."""
    name = pick(rng, ["worklist", "worklist", "progress", "progress", "study", "package", "package", "data set"])
    file, arguments = DOCUMENTS[name]
    for part in {"study": ["study", "truth.csv"], "package": ["package"], "data set": ["data", "recipe.yaml"]}.get(
        name, ["list", "images"]
    ):
        material.put(part, folder)
    path = folder / file
    raw = path.read_bytes().replace(os.fsencode(f"{material.folder}/"), b"")
    what = pick(
        rng, ["value", "value", "value", "value", "gone", "twice", "cut", "bytes", "inserted", "deep", "encoding"]
    )
    other_type = False
    if what in ("value", "gone"):
        data, what, other_type = _changed(rng, json.loads(raw), what, folder)
        raw = json.dumps(data).encode()
    elif what == "twice":
        raw = raw.replace(b"{", b'{"version": 7, ', 1)
    elif what == "deep":
        depth = int(pick(rng, [90, 150, 5000, 200_000]))
        raw = pick(rng, [b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth])
    elif what == "encoding":
        raw = raw.decode().encode(pick(rng, ["utf-16", "utf-8-sig", "utf-32"]))
    else:
        raw = {"cut": cut, "bytes": flip, "inserted": insert}[what](rng, raw)
    path.write_bytes(raw)
    reference = material.results[name]

    def check(ran: Ran, _folder: Path) -> str:
        if other_type and without(said(ran), "folder") == without(reference, "folder") and reference is not None:
            return ""
        return f"a value of another type was taken: {what}" if other_type else ""

    outputs = ("out", "list/.preop-none", "data/prepared")  # prepared anew where `dataset.json` differs
    return Trial(f"{name}: {what}", arguments, check, outputs)


def _changed(rng: np.random.Generator, data: Any, what: str, folder: Path) -> tuple[Any, str, bool]:
    """The document with one of its values replaced or removed; whether its type has changed."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(data)
    node, key = pick(rng, places)
    old = node[key]
    if what == "gone":
        del node[key]
        return data, f"gone {key}", False
    new = placed(pick(rng, _VALUES), folder)
    node[key] = new
    kinds = [("number" if isinstance(v, int | float) and not isinstance(v, bool) else type(v)) for v in (old, new)]
    # Nothing in the place of a text is a text that is not there.
    other = kinds[0] != kinds[1] and new is not None and old is not None
    return data, f"{key}: {str(new)[:30]!r} for {str(old)[:30]!r}", other


def recipe(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A recipe with a value, key or text that cannot be."""
    material.put("data", folder)
    fields = dict(TINY_RECIPE)
    what = pick(rng, ["value", "value", "value", "value", "inside", "gone", "more", "text", "aliases", "tag"])
    if what in ("value", "gone"):
        key = pick(rng, fields)
        if what == "gone":
            del fields[key]
        else:
            fields[key] = placed(pick(rng, _VALUES), folder)
        what += f" {key}={str(fields.get(key))[:40]}"
    elif what == "inside":
        key = pick(rng, ["data.patch", "network.arguments", "loss.arguments", "data.classes"])
        held = json.loads(json.dumps(fields[key]))
        place = pick(rng, range(len(held))) if isinstance(held, list) else pick(rng, held)
        held[place] = placed(pick(rng, _VALUES), folder)
        fields[key] = held
        what += f" {key}[{place}]={str(held[place])[:40]}"
    elif what == "more":
        fields[pick(rng, ["network.depth", "x", "data.patch ", ""])] = 1
    text = recipe_text(fields)
    raw = text.encode()
    if what == "text":
        raw = pick(rng, [cut, flip, insert])(rng, raw)
    elif what == "aliases":
        ladder = ["a: &a [1,1,1,1,1,1,1,1,1]"]
        ladder += [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]" for i in range(9)]
        raw = ("\n".join(ladder) + "\n" + text.replace("[4, 8]", "*j")).encode()
    elif what == "tag":
        raw = text.replace("title: tiny", "title: !!python/object/apply:os.system ['touch owned']").encode()
    (folder / "recipe.yaml").write_bytes(raw)
    return Trial(what, DOCUMENTS["data set"][1], outputs=("out",))


def paths(rng: np.random.Generator, folder: Path, material: Material) -> Trial:
    """A list of paths for `truth new`, or names given to `truth add`, that lead elsewhere."""
    material.put("images", folder)
    odd = [
        "../outside.nii.gz",
        str(placed(STRANGER, folder)),
        "",
        "#x",
        "images",
        "images/../images/a.nii.gz",
        ".",
        "x,y,z",
        '"images/a.nii.gz',
    ]
    odd += [
        "images/a.nii.gz,,../../x",
        "images/a.nii.gz,,consensus",
        "images/a.nii.gz,,.lock",
        "images/a.nii.gz,,a/b",
        "\0",
    ]
    odd += [
        "images/a.nii.gz,1.2.3",
        "images/a.nii.gz,,con",
        "~/x",
        "$HOME",
        "images/a.nii.gz;images/b.nii.gz",
        "é" * 300,
    ]
    if rng.random() < 0.4:
        material.put("list", folder)
        material.put("labels.nii.gz", folder)
        case = pick(rng, ["a", *(o for o in odd if "\0" not in o and o)])
        who = pick(rng, ["ann", "bob", "../bob", "", "consensus", "a/b", ".", "CONSENSUS", "x" * 300, "-x", "a b"])
        arguments = ["liver", "truth", "add", "list", case, "labels.nii.gz", f"--annotator={who}"]
        return Trial(f"add {case[:30]!r} by {who[:20]!r}", arguments, _in_its_place(who), ("list",))
    lines = ["images/a.nii.gz", "images/b.nii.gz"]
    for _ in range(int(rng.integers(1, 3))):
        lines.insert(int(rng.integers(len(lines) + 1)), pick(rng, odd))
    raw = ("\n".join(lines) + "\n").encode()
    if rng.random() < 0.2:  # a damaged absolute path could be anybody's
        raw = raw.replace(os.fsencode(own_of(folder)), b"../..")
        raw = pick(rng, [cut, flip, insert])(rng, raw)
    (folder / "list.txt").write_bytes(raw)
    return Trial(
        " | ".join(lines)[:80], ["liver", "truth", "new", "list.txt", "-o", "made", "--json"], _named_once, ("made",)
    )


def _named_once(ran: Ran, folder: Path) -> str:
    cases = said(ran)["cases"]
    wrong = [c for c in cases if "/" in c or c in ("", ".", "..") or cases.count(c) > 1]
    return f"cases called {wrong}" if wrong else "" if (folder / "made" / "worklist.json").is_file() else "no list"


def _in_its_place(who: str):
    def check(_ran: Ran, folder: Path) -> str:
        there = sorted(p.name for p in (folder / "list").iterdir())
        return "" if who.strip() in there else f"no folder of {who!r}"

    return check
