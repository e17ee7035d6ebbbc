"""The tear classes."""

from __future__ import annotations

import pytest

from PreopReviewLib.errors import InputError
from PreopReviewLib.phantoms import shoulder_tears
from RotatorCuffCAMLib.tears import KEYS, TEAR_CLASSES, tear_class


def test_classes_are_in_ordinal_order():
    assert KEYS == ("none", "partial", "small", "medium", "large")
    assert [c.index for c in TEAR_CLASSES] == list(range(5))
    assert shoulder_tears.TEAR_CLASSES == KEYS


@pytest.mark.parametrize("text", ["Large-to-Massive", " massive ", "4", "large", "Large to massive (> 3 cm)", 4])
def test_other_spellings_are_understood(text):
    assert tear_class(text).key == "large"


@pytest.mark.parametrize("text", ["huge", "", "5", "-1"])
def test_unknown_classes_are_refused(text):
    with pytest.raises(InputError, match="none, partial"):
        tear_class(text)
