"""What the panels of LiverPlanner and RotatorCuffCAM share. The only package here, with its likes, that imports qt."""
