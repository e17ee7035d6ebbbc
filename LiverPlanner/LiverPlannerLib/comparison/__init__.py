"""Two segmentations against each other, by case and by cohort."""
