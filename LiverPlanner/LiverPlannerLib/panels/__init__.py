"""The sections of LiverPlanner's panel, one class and one .ui file each."""

from __future__ import annotations


def section_classes() -> list[type]:
    """The sections in the order in which a plan is made. Imported here, not before the module is opened.

    Order: Segment, Cysts, Correct, Measure, Compare, 3D, Ground truth, Report.
    """
    from LiverPlannerLib.panels.compare import CompareSection
    from LiverPlannerLib.panels.correct import CorrectSection
    from LiverPlannerLib.panels.cysts import CystsSection
    from LiverPlannerLib.panels.ground_truth import GroundTruthSection
    from LiverPlannerLib.panels.measure import MeasureSection
    from LiverPlannerLib.panels.report import ReportSection
    from LiverPlannerLib.panels.segment import SegmentSection
    from LiverPlannerLib.panels.three_d import ThreeDSection

    return [
        SegmentSection,
        CystsSection,
        CorrectSection,
        MeasureSection,
        CompareSection,
        ThreeDSection,
        GroundTruthSection,
        ReportSection,
    ]
