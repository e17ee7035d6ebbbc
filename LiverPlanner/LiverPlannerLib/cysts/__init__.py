"""Cysts told from tumours (Lin 2024)."""
