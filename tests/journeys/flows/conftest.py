"""What the stories of the default flows are played on: a shop in memory, where a test may write what the shop would."""

from __future__ import annotations

import copy

import pytest
from django.conf import settings as django_settings

from retarget_plugin import hosts
from retarget_plugin.testing.plugin import retarget  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def host(settings):
    """The shop system behind the scene."""
    changed = copy.deepcopy(django_settings.RETARGET)
    changed["HOSTS"] = {"default": {"BACKEND": "retarget_plugin.testing.FakeHost"}}
    settings.RETARGET = changed
    return hosts.get_host("default")
