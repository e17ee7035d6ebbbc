"""Reports as one self-contained HTML page: tables, pictures and a 3D view that need no network and no other file."""

from PreopReviewLib.reports.page import (
    Facts,
    Page,
    Picture,
    Section,
    SliceStack,
    Table,
    View3D,
    Words,
    render,
    write_report,
)

__all__ = ["Facts", "Page", "Picture", "Section", "SliceStack", "Table", "View3D", "Words", "render", "write_report"]
