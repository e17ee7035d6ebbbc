"""JSON and YAML with limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from PreopReviewLib.errors import ModelCorrupt, UnreadableImage
from PreopReviewLib.structured import parse_json, parse_yaml, read_json, record

BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize("text", ["[" * 200_000, "[" * 150 + "]" * 150, "{", "\udcff", "1" * 5000])
def test_damaged_and_deep_json_is_one_error(text):
    with pytest.raises(UnreadableImage, match="^x "):
        parse_json(text.encode("utf-8", "surrogateescape"), "x")


def test_the_error_is_of_the_kind_asked_for(tmp_path):
    (tmp_path / "m.json").write_bytes(b"\xff")
    with pytest.raises(ModelCorrupt, match=r"m\.json"):
        read_json(tmp_path / "m.json", ModelCorrupt)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "aliases that stand for more than"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 5000, "deep"),
        ("a: 1\nb: 2\na: 3\n", "key 'a' twice"),
        ("a: [", "line 1"),
        ("a: 2020-13-45", "month"),
        ("a: !!python/object:os.system x", "could not determine"),
        ("a: &a [1]\n" + "".join(f"b{i}: &b{i} [*{'a' if i == 0 else f'b{i - 1}'}]\n" for i in range(200)), "deep"),
    ],
)
def test_hostile_yaml_is_one_error(text, words):
    with pytest.raises(UnreadableImage, match=words):
        parse_yaml(text, "x")


def test_modest_aliases_are_read():
    assert parse_yaml("a: &a [1, 2]\nb: *a\n", "x") == {"a": [1, 2], "b": [1, 2]}


def test_what_is_written_as_json_every_reader_takes():
    import json

    from PreopReviewLib.structured import json_text

    text = json_text({"a": float("nan"), "b": [float("inf"), (1.5, None)], "c": {"d": -float("inf")}})
    assert json.loads(text, parse_constant=lambda _: pytest.fail("not JSON")) == {
        "a": None,
        "b": [None, [1.5, None]],
        "c": {"d": None},
    }


@dataclass
class Kept:
    """A record with a field of each type."""

    name: str
    phase: Literal["done", "failed"] = "done"
    series: str | None = None
    seconds: float = 0.0
    number: int = 0
    offered: bool = False
    gain: dict[str, list[float]] = field(default_factory=dict)


def test_a_record_is_made_of_values_of_its_types():
    given = {"name": "a", "phase": "failed", "series": None, "seconds": 2, "number": 3, "gain": {"liver": [0.5, 1]}}
    assert record(Kept, given) == Kept("a", "failed", None, 2, 3, False, {"liver": [0.5, 1]})
    assert record(Kept, {"name": "a"}) == Kept("a")


@pytest.mark.parametrize(
    ("field_name", "value"),
    [
        ("name", -1),
        ("name", None),
        ("name", ["a"]),
        ("phase", "waiting"),
        ("series", 5),
        ("seconds", True),
        ("seconds", float("nan")),
        ("seconds", float("inf")),
        ("seconds", 10**400),
        ("seconds", "3"),
        ("number", 3.0),
        ("number", True),
        ("offered", 1),
        ("gain", {"liver": 0.5}),
        ("gain", {"liver": ["0.5"]}),
        ("gain", []),
    ],
)
def test_a_value_of_another_type_in_a_record_is_named(field_name, value):
    with pytest.raises(TypeError, match=f"^{field_name} is "):
        record(Kept, {"name": "a", field_name: value})


@pytest.mark.parametrize("content", [None, [], "a", {}, {"name": "a", "more": 1}])
def test_a_record_needs_its_fields_and_no_others(content):
    with pytest.raises(TypeError):
        record(Kept, content)
