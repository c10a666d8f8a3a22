"""A small Wagtail site: one type of page, with the plugin's blocks in it."""
