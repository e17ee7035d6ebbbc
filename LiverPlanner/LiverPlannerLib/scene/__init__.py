"""A liver plan in Slicer's scene. Only these modules (and panels) import slicer."""
