"""`slicer.i18n` for tests: no language is loaded, so every text stays what it is."""

from __future__ import annotations


def translate(context: str, text: str) -> str:
    """The text, by way of the application."""
    if not isinstance(context, str) or not isinstance(text, str):
        raise TypeError("translate takes a context and a text")
    import slicer

    return slicer.app.translate(context, text) if hasattr(slicer, "app") else text


def tr(text: str) -> str:
    """The text. Formatted before translation it could not be found in any dictionary, so give the bare one."""
    if not isinstance(text, str):
        raise TypeError(f"tr takes a text, not {type(text).__name__}")
    return translate("", text)
