"""Whole projects with retarget_plugin installed."""
