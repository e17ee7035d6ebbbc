"""One module for each kind of model that others trained; `PreopReviewLib.models.adapter` finds them by themselves."""
