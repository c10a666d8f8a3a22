"""Template tags of a Wagtail site."""
