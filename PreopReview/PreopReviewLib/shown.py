"""Text of others (names of files, comments, headers) as it may be shown: control sequences are written out."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def shown(text: object, keep: str = "") -> str:
    """Text with what would command a terminal, or is not a character at all, written out, as in ``\\x1b[2J``.

    Args:
        keep: characters that stay as they are, such as the end of line.
    """
    text = str(text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or unicodedata.category(c) not in _HIDDEN else _written_out(c) for c in text)


def _written_out(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def drawn(text: object) -> str:
    """Text for a figure of matplotlib, which takes what stands between two dollar signs for a formula."""
    return shown(text, keep="\n").replace("$", r"\$")
