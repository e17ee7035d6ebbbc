"""Several resections of one liver: presets, parenchyma-sparing, unions; compared side by side."""
