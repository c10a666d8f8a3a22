"""For a shop's own tests: a scene to play in, a host, a gateway and a clock that do as they are told, and builders.

With pytest, `pytest_plugins = ["retarget_plugin.testing.plugin"]` in the root conftest gives the fixture `retarget`.
"""

from __future__ import annotations

from retarget_plugin.channels.sms.memory import MemoryGateway

from .builders import build_cart, build_contact, build_item, build_shop
from .clock import Clock
from .host import FakeHost
from .scene import Scene
from .sent import Sent
from .shopper import Shopper

__all__ = [
    "Clock",
    "FakeHost",
    "MemoryGateway",
    "Scene",
    "Sent",
    "Shopper",
    "build_cart",
    "build_contact",
    "build_item",
    "build_shop",
]
