"""Cuts, volumes, future liver remnant and margins."""
