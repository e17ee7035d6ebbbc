"""Label files of any origin: values, names and grid in, one `Labels` out. Nothing else interprets a label value."""

from LiverPlannerLib.labels.couinaud import read_segments, write_segments
from LiverPlannerLib.labels.joining import Labels
from LiverPlannerLib.labels.mapping import parse_mapping
from LiverPlannerLib.labels.names import (
    match_code,
    match_name,
    match_terminology,
    structures_beside_liver,
    structures_in_liver,
    structures_named,
)
from LiverPlannerLib.labels.reading import name_our_values, read_labels, read_mask

__all__ = [
    "Labels",
    "match_code",
    "match_name",
    "match_terminology",
    "name_our_values",
    "parse_mapping",
    "read_labels",
    "read_mask",
    "read_segments",
    "structures_beside_liver",
    "structures_in_liver",
    "structures_named",
    "write_segments",
]
