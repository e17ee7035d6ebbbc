"""What DICOM says of a frame besides its place: of which volume of its series it is, and which side it shows."""

from __future__ import annotations

from typing import Any, Protocol

TRAITS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("phase", ("TemporalPositionIdentifier", "TemporalPositionIndex")),
    ("type", ("ImageType", "FrameType")),
    ("echo time", ("EchoTime", "EffectiveEchoTime")),
    ("echo", ("EchoNumbers",)),
    ("b-value", ("DiffusionBValue",)),
    ("gradient", ("DiffusionGradientOrientation",)),
    ("inversion time", ("InversionTime",)),
    ("flip angle", ("FlipAngle",)),
    ("kernel", ("ConvolutionKernel",)),
    ("slice thickness", ("SliceThickness",)),
    ("trigger time", ("TriggerTime", "NominalCardiacTriggerDelayTime")),
    ("acquisition", ("AcquisitionNumber",)),
    ("time", ("AcquisitionTime", "FrameAcquisitionDateTime", "AcquisitionDateTime")),
    ("content time", ("ContentTime",)),
    ("stack", ("StackID",)),
    ("frame of reference", ("FrameOfReferenceUID",)),
)
"""What may tell the volumes of one series apart: a word for people and the attributes, the likeliest first."""
TIMES = ("trigger time", "acquisition", "time", "content time", "stack")
"""Traits that also change from slice to slice of one volume."""

_STACK_TAGS = (0x00209056, 0x00209057, 0x00200032)  # stack, place in it, position: they do not tell volumes apart


class Values(Protocol):
    """Checked access to the attributes of a frame."""

    def raw(self, keyword: str) -> Any:
        """The value, or None."""

    def text(self, keyword: str) -> str:
        """The value as text, empty where there is none."""


_SIDE_CODES = {"7771000": "L", "G-A101": "L", "24028007": "R", "G-A100": "R"}


def sides_of(header_values: Values) -> str:
    """R, L or both: of the attributes of file and frame, and of the modifier of the anatomic region."""
    words = [header_values.text(k).upper() for k in ("Laterality", "ImageLaterality", "FrameLaterality")]
    for region in header_values.raw("AnatomicRegionSequence") or ():
        for modifier in region.get("AnatomicRegionModifierSequence") or ():
            words.append(_SIDE_CODES.get(str(modifier.get("CodeValue", "")), ""))
    return "".join(side for side in "LR" if side in words or {"L": "LEFT", "R": "RIGHT"}[side] in words)


def traits_of(header_values: Values) -> tuple[tuple[str, str], ...]:
    """The words and values of `TRAITS` for a frame, and of the further dimensions of a multi-frame object."""
    traits = []
    for words, keywords in TRAITS:
        value = next((v for k in keywords if (v := header_values.text(k))), "")
        traits.append((words, value))
    indices = header_values.raw("DimensionIndexValues")
    pointers = header_values.raw("DimensionIndexSequence")
    if indices is not None and pointers is not None:
        values = list(indices) if hasattr(indices, "__iter__") else [indices]
        for n, (pointer, value) in enumerate(zip(pointers, values, strict=False), 1):
            tag = pointer.get("DimensionIndexPointer")
            if tag is not None and int(tag) not in _STACK_TAGS:
                traits.append((f"dimension {n}", str(value)))
    return tuple(traits)
