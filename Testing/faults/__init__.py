"""Hostile runs of the command `preop`: seeded, each in a process and a folder of its own, judged by what is left.

``python -m Testing.faults`` runs them; `make faults` writes the table of the documentation. See `generators` for what
is done to the inputs, `judge` for what counts as a failure.
"""
