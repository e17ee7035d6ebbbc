"""The blinded, timed reader study and its statistics (Shim 2020)."""
