"""Cysts told from tumors (Lin 2024)."""
