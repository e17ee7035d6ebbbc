"""Vessel and duct trees: cleaning, branches, orders (Oh 2023)."""
