"""The sections of LiverPlanner's panel, one class and one .ui file each."""

from __future__ import annotations


def section_classes() -> list:
    """The sections in the order in which a plan is made. All but the first are made when they are opened."""
    from slicer.i18n import tr as _

    from LiverPlannerLib.panels.segment import SegmentSection
    from PreopReviewLib.panels.module_widget import LaterSection

    return [
        SegmentSection,
        LaterSection(_("Lesion candidates"), "LiverPlannerLib.panels.candidates", "CandidatesSection"),
        LaterSection(_("Cysts"), "LiverPlannerLib.panels.cysts", "CystsSection"),
        LaterSection(_("Correct"), "LiverPlannerLib.panels.correct", "CorrectSection"),
        LaterSection(_("Measure"), "LiverPlannerLib.panels.measure", "MeasureSection"),
        LaterSection(_("Compare"), "LiverPlannerLib.panels.compare", "CompareSection"),
        LaterSection(_("3D"), "LiverPlannerLib.panels.three_d", "ThreeDSection"),
        LaterSection(_("Ground truth"), "LiverPlannerLib.panels.ground_truth", "GroundTruthSection"),
        LaterSection(_("Report"), "LiverPlannerLib.panels.report", "ReportSection"),
    ]
