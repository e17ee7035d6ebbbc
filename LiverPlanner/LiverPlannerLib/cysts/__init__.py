"""Cysts told from tumors (Lin 2024)."""

THRESHOLD_HU = 45.0
"""A cyst lies below it on portal-venous CT (Lin 2024)."""
THRESHOLD_RANGE_HU = (-50.0, 150.0)
"""What may be set in its place."""
