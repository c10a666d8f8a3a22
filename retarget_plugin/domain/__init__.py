"""Floor 1: decisions as plain Python. No Django, no clock, no I/O, no settings."""
