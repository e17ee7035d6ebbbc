"""VRN, the classifier, and activation maps."""
