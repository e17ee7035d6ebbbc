"""Work shared out between two threads: nobody waits for a thread that never came to life."""

from __future__ import annotations

import _thread
import threading
import time

import pytest

from PreopReviewLib.two_threads import in_two_threads


def test_results_come_in_the_order_of_the_items_from_two_threads():
    together = threading.Barrier(2, timeout=20)

    def work(number: int) -> tuple[int, int]:
        if number < 2:
            together.wait()  # each of the two threads has one of the first two items
        return number * number, threading.get_ident()

    done = in_two_threads(work, range(7))
    assert [square for square, _ in done] == [n * n for n in range(7)]
    assert len({who for _, who in done}) == 2
    assert in_two_threads(work, []) == []


@pytest.mark.parametrize("born", ["dies at once", "cannot be started"])
def test_a_second_thread_without_memory_costs_time_and_nothing_else(monkeypatch, born):
    start = _thread.start_new_thread

    def starting(_function, _arguments):
        if born == "cannot be started":
            raise RuntimeError("can't start new thread")
        return start(lambda: None, ())

    monkeypatch.setattr(_thread, "start_new_thread", starting)
    assert in_two_threads(lambda n: n + 1, range(5)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("where", [0, 1])
def test_an_error_in_either_thread_is_raised_when_no_other_item_is_in_work(where):
    together, ended = threading.Barrier(2, timeout=20), []

    def work(number: int) -> int:
        if number < 2:
            together.wait()
            if number == where:
                raise MemoryError
            time.sleep(0.05)
            ended.append(number)
        return number

    with pytest.raises(MemoryError):
        in_two_threads(work, range(4))
    assert ended == [1 - where]
