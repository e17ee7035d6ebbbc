"""Radiomic features and their agreement between masks."""
