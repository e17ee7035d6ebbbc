"""One reader at work on one pass of a study: which case is up, its clock, the answer, undo, pause and resume."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PreopReviewLib.errors import InputError
from RotatorCuffCAMLib.readers.log import FORMAT, VERSION, ReaderLog
from RotatorCuffCAMLib.readers.study import MAX_PASSES, Study, StudyCase
from RotatorCuffCAMLib.tears import TEAR_CLASSES

TICK_SECONDS = 5.0
"""How often the running clock is noted, so that a crash costs no more than this of a case's time."""


@dataclass(frozen=True)
class ReaderAnswer:
    """One answer.

    Attributes:
        case: its name.
        look: 1, or 2 after the model's answer was shown.
        class_index: ordinal.
        confidence: 1 (a guess) to 5 (certain), or None.
        seconds: the clock's time from showing to answering, pauses and the time after a crash left out.
        paused_seconds: how long the clock stood.
        interruptions: how often the case was taken up again after the program had ended.
    """

    case: str
    look: int
    class_index: int
    confidence: int | None
    seconds: float
    paused_seconds: float
    interruptions: int


def answers_of(events: Sequence[dict[str, Any]]) -> list[ReaderAnswer]:
    """The answers that stand, in the order given: what was undone is left out."""
    answers: list[ReaderAnswer] = []
    for event in events:
        if event["event"] == "answer":
            answers.append(
                ReaderAnswer(
                    event["case"],
                    int(event["look"]),
                    int(event["class"]),
                    event.get("confidence"),
                    float(event["seconds"]),
                    float(event.get("paused_seconds", 0.0)),
                    int(event.get("interruptions", 0)),
                )
            )
        elif event["event"] == "undo" and answers:
            answers.pop()
    return answers


def check_header(events: Sequence[dict[str, Any]], study: Study, path: Path) -> dict[str, Any]:
    """The header of a log of this study.

    Raises:
        InputError: it is of another study, or its order is not the one that its seed gives.
    """
    header = events[0] if events else {}
    if header.get("study") != study.identifier:
        raise InputError(f"{path} belongs to another study", f"Choose a log of {study.name!r}")
    order = [c.case for c in study.order(header["reader"], int(header["pass"]))]
    if header["order"] != order:
        raise InputError(f"The order in {path} is not that of its reader and seed", "Restore the file")
    return header


class Session:
    """A reader's pass, gone on with where its log ends.

    Call `show` when the case's image is on the screen, then `answer`; `tick` now and then (the panel's timer does).

    Args:
        reader: name or number.
        group: what the reader counts among, such as "specialist"; of a log that is there already, its own counts.
        reading: 1, or 2 and on for a repeated pass.
        clock: seconds, never backwards.

    Raises:
        InputError: the log is of another study or open elsewhere, or there is no such pass.
    """

    def __init__(
        self,
        study: Study,
        reader: str,
        group: str = "",
        reading: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 1 <= reading <= MAX_PASSES:
            raise InputError(f"There is no pass {reading}", f"Passes go from 1 to {MAX_PASSES}")
        self.study, self.reader, self.reading, self._clock = study, reader.strip(), reading, clock
        self.order = study.order(reader, reading)
        self.log = ReaderLog(study.log_path(reader, reading))
        try:
            events = self.log.events()
            if events:
                header = check_header(events, study, self.log.path)
                group = header["group"]
            else:
                self._note("header", **self._header(group))
                events = self.log.events()
        except BaseException:
            self.log.close()
            raise
        self.group = group
        self._answers = answers_of(events)
        self._before = _earlier(events)
        self._shown: float | None = None
        self._paused: float | None = None
        self._active = self._stood = 0.0
        self._last_input = self._last_tick = 0.0
        self._note("open")

    def _header(self, group: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "study": self.study.identifier,
            "reader": self.reader,
            "group": group.strip(),
            "pass": self.reading,
            "seed": self.study.seed,
            "order": [c.case for c in self.order],
        }

    def _note(self, event: str, **rest: Any) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.log.add({"event": event, "time": stamp, **rest})

    # ---- where we are ----

    @property
    def looks(self) -> int:
        """Questions a case: 2 where the study has a second look."""
        return 2 if self.study.second_look else 1

    @property
    def total(self) -> int:
        """Cases in the study."""
        return len(self.order)

    @property
    def done(self) -> int:
        """Cases that are answered to the end."""
        return len(self._answers) // self.looks

    @property
    def look(self) -> int:
        """1, or 2 where the model's answer is to be shown now."""
        return len(self._answers) % self.looks + 1

    @property
    def current(self) -> StudyCase | None:
        """The case that is up, or None at the end."""
        return self.order[self.done] if self.done < self.total else None

    @property
    def answers(self) -> list[ReaderAnswer]:
        """The answers that stand."""
        return list(self._answers)

    @property
    def paused(self) -> bool:
        """Whether the clock stands."""
        return self._paused is not None

    @property
    def seconds(self) -> float:
        """What the clock of the current case shows."""
        earlier = self._before[0]
        if self._shown is None:
            return earlier
        return earlier + self._active + (0.0 if self.paused else self._clock() - self._shown)

    @property
    def on_screen(self) -> float:
        """Seconds since the current case was shown last; unlike `seconds`, nothing of before is in it."""
        return 0.0 if self._shown is None else self._clock() - self._shown

    # ---- the clock ----

    def show(self) -> None:
        """The case's image is on the screen now: the clock starts.

        Raises:
            InputError: there is no case left.
        """
        if self.current is None:
            raise InputError("All cases are answered", "Start another pass, or evaluate the study")
        self._active = self._stood = 0.0
        self._paused = None
        self._shown = self._last_input = self._last_tick = self._clock()
        self._note("show", case=self.current.case, look=self.look, number=self.done + 1)

    def pause(self, reason: str = "reader") -> None:
        """Stops the clock; the panel hides the images meanwhile."""
        if self._shown is None or self.paused:
            return
        now = self._clock()
        # No one looked after the last key or movement, so an idle pause begins there.
        until = self._last_input if reason == "idle" else now
        self._active += max(0.0, until - self._shown)
        self._paused = until
        self._note("pause", why=reason, seconds=round(self.seconds, 3))

    def resume(self) -> None:
        """Lets the clock go on."""
        if self._paused is None:
            return
        now = self._clock()
        self._stood += now - self._paused
        self._shown = self._last_input = now
        self._paused = None
        self._note("resume", paused_seconds=round(self._stood, 3))

    def touch(self) -> None:
        """A key or the mouse was used."""
        self._last_input = self._clock()

    def tick(self) -> None:
        """Notes the clock every few seconds, and stops it when no one has been there for long."""
        if self._shown is None or self.paused:
            return
        now = self._clock()
        if now - self._last_input >= self.study.idle_seconds:
            self.pause("idle")
        elif now - self._last_tick >= TICK_SECONDS:
            self._last_tick = now
            self._note("tick", seconds=round(self.seconds, 3))

    # ---- answers ----

    def answer(self, class_index: int, confidence: int | None = None) -> ReaderAnswer:
        """Writes the answer; it is on disk when this returns.

        Raises:
            InputError: the case was not shown, an invalid class or confidence, or a paused clock.
            OutputError: it could not be written; the case is still up.
        """
        if self.current is None or self._shown is None:
            raise InputError("No case is shown", "Show the case first")
        if self.paused:
            raise InputError("The study is paused", "Go on first")
        if not 0 <= class_index < len(TEAR_CLASSES):
            raise InputError(f"class index {class_index} is out of range", f"Use 0 to {len(TEAR_CLASSES) - 1}")
        if confidence is not None and not 1 <= confidence <= 5:
            raise InputError(f"confidence must be 1 to 5, got {confidence}", "Use 1 (a guess) to 5 (certain)")
        _, stood, interruptions = self._before
        given = ReaderAnswer(
            self.current.case,
            self.look,
            class_index,
            confidence,
            round(self.seconds, 3),
            round(stood + self._stood, 3),
            interruptions,
        )
        self._note(
            "answer",
            case=given.case,
            look=given.look,
            number=self.done + 1,
            **{"class": class_index, "class_key": TEAR_CLASSES[class_index].key},
            confidence=confidence,
            seconds=given.seconds,
            paused_seconds=given.paused_seconds,
            interruptions=interruptions,
        )
        self._answers.append(given)
        self._fresh()
        return given

    def undo(self) -> ReaderAnswer | None:
        """Takes the last answer back; its case is up again, and its clock goes on from what it had shown."""
        if not self._answers:
            return None
        last = self._answers[-1]
        self._note("undo", case=last.case, look=last.look)
        self._answers.pop()
        self._fresh()
        self._before = (last.seconds, last.paused_seconds, last.interruptions)
        return last

    def _fresh(self) -> None:
        self._before, self._shown, self._paused = (0.0, 0.0, 0), None, None
        self._active = self._stood = 0.0

    def close(self) -> None:
        """Ends the session; the log stays, and another session goes on from it."""
        if self._shown is not None and not self.paused:
            self.pause("closed")
        self._note("close", answers=len(self._answers))
        self.log.close()


def _earlier(events: Sequence[dict[str, Any]]) -> tuple[float, float, int]:
    """Seconds on the clock, seconds it stood, and interruptions of the case that was up when the log ended."""
    seconds = stood = 0.0
    interruptions = 0
    before: list[ReaderAnswer] = []
    shown = False
    for event in events:
        kind = event["event"]
        if kind == "answer":
            before.append(answers_of([event])[0])
            seconds = stood = 0.0
            interruptions, shown = 0, False
        elif kind == "undo" and before:
            last = before.pop()
            seconds, stood, interruptions, shown = last.seconds, last.paused_seconds, last.interruptions, False
        elif kind == "open" and shown:
            interruptions += 1
            shown = False
        elif kind == "show":
            shown = True
        if "seconds" in event and kind in ("tick", "pause"):
            seconds = float(event["seconds"])
        if kind == "resume":
            stood = float(event["paused_seconds"])
    return seconds, stood, interruptions + int(shown)
