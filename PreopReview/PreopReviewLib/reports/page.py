"""What a report is made of, and the one HTML page that it becomes.

The page holds everything that it shows: pictures and tables as data URIs, meshes as base64, script and style inline.
Its content security policy forbids every connection, so that a report can be sent on without notifying anyone that it
was opened.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from PreopReviewLib.csv_text import csv_text
from PreopReviewLib.errors import OutputError
from PreopReviewLib.output import check_file, output_files

if TYPE_CHECKING:
    from PreopReviewLib.reports.meshes import Mesh

_TEMPLATES = Path(__file__).resolve().parent / "templates"


@dataclass(frozen=True)
class Words:
    """Paragraphs of plain text."""

    paragraphs: tuple[str, ...]
    kind = "words"


@dataclass(frozen=True)
class Facts:
    """Pairs of a name and a value, e.g. of a model card."""

    rows: tuple[tuple[str, str], ...]
    title: str = ""
    kind = "facts"


@dataclass(frozen=True)
class Table:
    """A table; numbers are set to the right, None is shown as n/a.

    Attributes:
        name: of its CSV file, e.g. ``volumes``.
        title: its caption.
        columns: heads.
        rows: cells: text, numbers or None.
        notes: printed beneath.
        colors: a color (sRGB, 0 to 1) for each row, shown as a swatch; empty for none.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    notes: tuple[str, ...] = ()
    colors: tuple[tuple[float, float, float] | None, ...] = ()
    kind = "table"

    @property
    def numeric(self) -> list[bool]:
        """By column: whether it holds nothing but numbers."""
        return [
            bool(self.rows) and all(r[i] is None or isinstance(r[i], int | float) for r in self.rows)
            for i in range(len(self.columns))
        ]

    def as_csv(self) -> str:
        """Heads and rows, unrounded; None is n/a."""
        return csv_text([self.columns, *(["n/a" if v is None else v for v in row] for row in self.rows)])

    @property
    def data_uri(self) -> str:
        return "data:text/csv;charset=utf-8," + quote(self.as_csv())


@dataclass(frozen=True)
class Picture:
    """A PNG or JPEG.

    Attributes:
        data: the file.
        alt: what is to be seen, for those who do not see it.
        caption: printed beneath.
    """

    data: bytes = field(repr=False)
    alt: str
    caption: str = ""
    kind = "picture"

    @property
    def data_uri(self) -> str:
        form = "jpeg" if self.data[:2] == b"\xff\xd8" else "png"
        return f"data:image/{form};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class View3D:
    """Meshes to be turned and looked at.

    Attributes:
        meshes: in RAS mm.
        presets: name of a preset to opacity by mesh key; meshes that it does not name are hidden.
        fallback: shown where the browser has no WebGL, and without scripts.
    """

    meshes: tuple[Mesh, ...]
    presets: dict[str, dict[str, float]] = field(default_factory=dict)
    fallback: Picture | None = None
    kind = "view3d"

    @property
    def data(self) -> dict[str, Any]:
        return {"meshes": [m.as_data() for m in self.meshes], "presets": self.presets}


@dataclass(frozen=True)
class SliceStack:
    """Slices to scroll through; see `slice_pictures.axial_stack`.

    Attributes:
        gray, outlines: pictures with all slices one below the other; the second is transparent but for outlines.
        size: of one slice, pixels (width, height).
        positions: where each slice lies, in words; the first is the uppermost in the pictures.
        start: number of the slice that is shown first.
    """

    gray: Picture
    outlines: Picture
    size: tuple[int, int]
    positions: tuple[str, ...]
    start: int = 0
    kind = "slices"


Block = Words | Facts | Table | Picture | View3D | SliceStack


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Attributes:
        folded: closed until it is asked for; printed only if it is open.
        columns: 1 or 2, where the window is wide enough.
    """

    title: str
    blocks: tuple[Block, ...]
    folded: bool = False
    columns: int = 1

    @property
    def anchor(self) -> str:
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        title, subtitle: the head.
        banner: always in sight, e.g. "Not for clinical use".
        marks: short and loud, e.g. "Simulated image".
        identity: whose images these are; empty unless it was asked for.
        warnings: sentences for the reader, before everything else.
        footer: versions and the like.
    """

    title: str
    banner: str
    sections: tuple[Section, ...]
    subtitle: str = ""
    marks: tuple[str, ...] = ()
    identity: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()

    @property
    def tables(self) -> list[Table]:
        return [b for s in self.sections for b in s.blocks if isinstance(b, Table)]


def render(page: Page) -> str:
    """The page as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # presets keep their order
    environment.filters["cell"] = cell
    environment.filters["rgb"] = lambda color: "rgb({:.0f} {:.0f} {:.0f})".format(*(255 * c for c in color))
    environment.filters["file"] = lambda name: (_TEMPLATES / name).read_text(encoding="utf-8")
    return environment.get_template("page.html").render(page=page)


def cell(value: Any) -> str:
    """A cell as people read it: three to four digits, n/a for what does not apply."""
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return str(value)


def write_report(page: Page, path: str | Path, overwrite: bool = False) -> list[Path]:
    """Writes the page and, beside it, a CSV file for each of its tables; all of them or none.

    Args:
        path: of the HTML file; tables are named ``<stem>_<table>.csv``.

    Returns:
        the files, the page first.

    Raises:
        OutputExists: one of the files is there already.
        OutputError: the folder cannot be written to.
    """
    path = Path(path).absolute()
    check_path(path, overwrite)
    texts = {path: render(page)}
    texts |= {path.with_name(f"{path.stem}_{table.name}.csv"): table.as_csv() for table in page.tables}
    with output_files(path.parent, overwrite, [p.name for p in texts]) as work:
        for file, text in texts.items():
            (work / file.name).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    return list(texts)


def check_path(path: str | Path, overwrite: bool = False) -> None:
    """Raises, before any work is done, what `write_report` would raise because of the name of its page.

    Raises:
        OutputExists: it is there already.
        OutputError: it is not a valid name for a page.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"{path.name} is not a valid name for a page", "Give a name that ends in .html")
    check_file(path, overwrite)


def png_of(figure: Any, dpi: int = 110) -> bytes:
    """A matplotlib figure as PNG, without any metadata."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def picture(figure: Any, alt: str, caption: str = "", dpi: int = 110, photo: bool = False) -> Picture:
    """A matplotlib figure as a block.

    Args:
        photo: as JPEG, which takes a fraction of the space for images of a patient; lines are sharper as PNG.
    """
    if not photo:
        return Picture(png_of(figure, dpi), alt, caption)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="jpg", dpi=dpi, pil_kwargs={"quality": 88})
    return Picture(buffer.getvalue(), alt, caption)


def without_empty(sections: Sequence[Section]) -> tuple[Section, ...]:
    """The sections that have something to show."""
    return tuple(s for s in sections if s.blocks)
