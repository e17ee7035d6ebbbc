"""Training, evaluation and packaging of the tear networks."""
