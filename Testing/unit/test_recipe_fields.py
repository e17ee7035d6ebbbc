"""Every value of a recipe is checked, by name of its field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from PreopReviewLib.errors import InputError
from PreopReviewLib.training.recipe import load_recipe, recipe_files, recipe_from_dict
from PreopReviewLib.training.recipe_fields import FIELDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", recipe_files(), ids=lambda p: p.stem)
def test_the_recipes_hold_what_their_fields_may(path):
    assert set(load_recipe(path.stem).fields) <= set(FIELDS)


@pytest.mark.parametrize("key", FIELDS)
@pytest.mark.parametrize(
    "value", [object(), -1, float("nan"), True, [[]], ["", ""], [1, [2]]], ids=lambda v: type(v).__name__
)
def test_no_field_takes_a_value_of_another_kind(key, value):
    words = FIELDS[key](value)
    assert words, key
    data = load_recipe("five-structures").as_dict()
    data["fields"][key] = {"value": value, "from": "default"}
    with pytest.raises(InputError, match=f"{key} must be"):
        recipe_from_dict(data)


@pytest.mark.parametrize(
    "word",
    [
        "optimizer.name=lr_scheduler",
        "data.patch=[16,16]",
        "validation.every=0",
        "training.clip=x",
        "training.ema=[",
        "data.batch=0",
        "schedule.iterations=-1",
        "data.classes=[a, a]",
        "data.spacing_mm=null",
        "network.arguments={a: *b}",
    ],
)
def test_a_setting_of_the_command_line_that_cannot_be_names_its_field(word):
    with pytest.raises(InputError, match=word.partition("=")[0]):
        load_recipe("five-structures").set_from_words([word])


def test_a_field_that_nothing_reads_is_refused():
    data = load_recipe("oh2023").as_dict()
    data["fields"]["data.bacth"] = {"value": 2, "from": "default"}
    with pytest.raises(InputError, match="nothing reads the field 'data.bacth'"):
        recipe_from_dict(data)


@pytest.mark.parametrize("key", FIELDS)
def test_every_field_that_a_recipe_may_have_is_read_by_the_code(key):
    asked = re.compile(rf'recipe(?:\.get\(|\[)\s*"{re.escape(key)}"')
    sources = [p for room in ("PreopReview", "RotatorCuffCAM") for p in (ROOT / room).rglob("*.py")]
    assert any(asked.search(p.read_text(encoding="utf-8")) for p in sources), f"{key} is a name only"


@pytest.mark.parametrize(
    ("recipe", "key", "value"),
    [("oh2023", "data.reuse", 2), ("five-structures", "inference.post", "largest component of 26 neighbors"),
     ("gross2024", "schedule.drop_at", 3), ("shim2020", "data.crop", "body")],
)  # fmt: skip
def test_a_field_that_this_kind_of_recipe_does_not_read_is_refused(recipe, key, value):
    data = load_recipe(recipe).as_dict()
    data["fields"][key] = {"value": value, "from": "default"}
    with pytest.raises(InputError, match=f"does not read the field '{key}'"):
        recipe_from_dict(data)


def test_what_a_run_has_not_asked_its_recipe_for_can_be_told():
    recipe = load_recipe("oh2023")
    assert "data.crop" in recipe.unread()
    assert recipe["data.crop"] == "body"
    assert "data.crop" not in recipe.changed(data__batch=2).unread()
