"""The site as an app of its own."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "tests.hosts.wagtail"
    label = "site"
