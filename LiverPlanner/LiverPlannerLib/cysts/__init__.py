"""Cysts told from tumors (Lin 2024)."""

LIN_2024_HU = 45.0
"""What Lin 2024 found for portal-venous CT."""
THRESHOLD_HU = LIN_2024_HU
"""Our default; a cyst lies below it."""
THRESHOLD_RANGE_HU = (-50.0, 150.0)
"""The allowed range."""
