"""From an image to measured liver structures."""
