"""What the libraries offer to drag in a review; a session loads this instead of all commands, which take 100 MB."""

from LiverPlannerLib.commands import review_cut  # noqa: F401
