"""For Wagtail sites: the owner's screens in Wagtail's admin, blocks for lead forms, topics of pages, views of pages."""
