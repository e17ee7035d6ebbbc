"""The sections of RotatorCuffCAM's panel, one class and one .ui file each."""

from __future__ import annotations


def section_classes() -> list[type]:
    """The sections from top to bottom. Imported here, not before the module is opened."""
    from RotatorCuffCAMLib.panels.activation import ActivationSection
    from RotatorCuffCAMLib.panels.classify import ClassifySection
    from RotatorCuffCAMLib.panels.compare_box import CompareBoxSection
    from RotatorCuffCAMLib.panels.input import InputSection
    from RotatorCuffCAMLib.panels.reader_study import ReaderStudySection
    from RotatorCuffCAMLib.panels.report import ReportSection

    return [InputSection, ClassifySection, ActivationSection, CompareBoxSection, ReaderStudySection, ReportSection]
