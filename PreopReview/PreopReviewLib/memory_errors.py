"""Telling that memory ran out: in Python, numpy, ITK, VTK and torch, each of which says it in its own words."""

from __future__ import annotations

NO_MEMORY = "This computer ran out of memory"
LESS_MEMORY = "Close other programs, crop the image, or choose another device"

_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "failed to allocate memory",
    "bad_alloc",
    "bad allocation",
    "memory allocation",
    "can't start new thread",  # of Python that found no memory for its stack
    "failed to map segment",  # of the loader of shared libraries
    "error return without exception set",  # of compiled code that found no memory to say more
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or the one that it was made of, says that memory ran out."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        words = str(error).lower()
        if isinstance(error, MemoryError) or any(w in words for w in _WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False
