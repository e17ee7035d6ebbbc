"""The self-tests of the modules, the same files that Slicer runs, in the host."""

from __future__ import annotations

import sys
import unittest
from typing import Any

import pytest
import slicer


def test_the_self_test_passes(host: Any) -> None:
    host.load_module("LiverPlanner")
    host.start_up()
    slicer.selfTests["LiverPlanner"](msec=1)
    host.process_events()
    assert host.messages == []


def test_the_self_tests_of_two_modules_are_found_in_one_session(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []

    class Runner:
        """Counts the tests instead of running them."""

        def run(self, suite: unittest.TestSuite) -> unittest.TestResult:
            result = unittest.TestResult()
            result.testsRun = suite.countTestCases()
            results.append(result.testsRun)
            return result

    monkeypatch.setattr(unittest, "TextTestRunner", Runner)
    for name in ("PreopReview", "RotatorCuffCAM"):
        host.load_module(name)
        getattr(sys.modules[name], f"{name}Test")().runTest()
    assert len(results) == 2
    assert min(results) >= 5
