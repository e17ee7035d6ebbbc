"""Ground truth: work lists, annotators, consensus, export."""
