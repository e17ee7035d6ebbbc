"""`preop cuff`."""
