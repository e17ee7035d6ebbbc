"""The pictures of the tutorials, made by going through them in the test host: `python -m Testing.Pictures`."""
