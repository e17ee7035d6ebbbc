"""Views that do not draw while the scene is changed in pieces, and then draw one after another."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import slicer

FIRST = 1000.0
"""Priority of an observer that is asked before those of the views."""

_waking: list[Any] = []
"""Views that are to draw again, one an event."""
_timer: Any | None = None


@contextmanager
def resting_views() -> Iterator[None]:
    """No view draws within; after it they do, one after another, so that the event loop answers between them.

    A view draws at once what it was asked to draw a moment ago, so that ten changes of nodes in one slot draw all views
    ten times: this, and not what the slot computes, is what takes long.
    """
    resting = _views()
    for view in resting:
        view.pauseRender()
    try:
        yield
    finally:
        _waking.extend(resting)
        for view in resting:
            _DrawnBeforeTouched.guard(view)
        _wake_later()


class _DrawnBeforeTouched:
    """A view that has rested draws before the mouse does something in it.

    Slicer places the handles of a plane where it draws them: one that was added, and not drawn yet, would be turned
    about the origin of the world by a drag that was meant to shift it.
    """

    _guarded: ClassVar[dict[Any, _DrawnBeforeTouched]] = {}

    def __init__(self, view: Any, interactor: Any, window: Any) -> None:
        self._view, self._interactor = view, interactor
        mouse = ("MouseMoveEvent", "LeftButtonPressEvent")
        self._observed = [(interactor, interactor.AddObserver(name, self._draw, FIRST)) for name in mouse]
        self._observed.append((window, window.AddObserver("EndEvent", self._drawn)))

    @classmethod
    def guard(cls, view: Any) -> None:
        """Until the view has drawn."""
        interactor = view.interactor()
        window = interactor.GetRenderWindow()
        if window is not None and interactor not in cls._guarded:
            cls._guarded[interactor] = cls(view, interactor, window)

    def _draw(self, *_args: Any) -> None:
        try:
            self._view.forceRender()
        except ValueError:  # PythonQt's word for a view that is gone, with its layout
            self._drawn()

    def _drawn(self, *_args: Any) -> None:
        self._guarded.pop(self._interactor, None)
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed.clear()


def drawing_is_due() -> bool:
    """Whether a view has not yet drawn what was changed while it rested."""
    return bool(_waking)


def _wake_later() -> None:
    global _timer
    from PreopReviewLib.panels import timers

    if _timer is None:
        _timer = timers.single_shot(0, _wake_next)
    if _waking:
        _timer.start()


def _wake_next() -> None:
    if _waking:
        view = _waking[0]
        for _rest in range(_waking.count(view)):  # each time that it was told to rest
            _waking.remove(view)
            _draw_again(view)
    _wake_later()


def with_resting_views(pieces: Generator[None, None, Any]) -> Iterator[None]:
    """The pieces of some work, see `Context.run_job`, during which no slice and no 3D view is drawn.

    Every piece that changes what is shown would have all views drawn again, which takes longer than the piece. When
    the work is done they are drawn, one a piece, so that the event loop answers between them; also when it fails or
    is stopped, all at once then.
    """
    resting = _views()
    for view in resting:
        view.pauseRender()
    try:
        yield from pieces
        while resting:
            yield
            _wake(resting.pop(0))
    finally:
        for view in resting:
            _wake(view)


def _views() -> list[Any]:
    manager = slicer.app.layoutManager()
    if manager is None:  # Slicer without a main window
        return []
    slices = [manager.sliceWidget(name).sliceView() for name in manager.sliceViewNames()]
    return [manager.threeDWidget(n).threeDView() for n in range(manager.threeDViewCount)] + slices


def _wake(view: Any) -> None:
    """The last piece of some work."""
    _draw_again(view)


def _draw_again(view: Any) -> None:
    try:
        view.resumeRender()
    except ValueError:  # PythonQt's word for a view that is gone, with its layout
        return
