"""The pytest fixture `retarget`. Needs pytest-django; nothing of ours imports this, so that a shop needs no pytest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .scene import Scene


@pytest.fixture
def retarget(db: None) -> Iterator[Scene]:
    """A scene that is over with the test: `retarget.agree(...)`, `retarget.advance(hours=2)`, `retarget.outbox`."""
    with Scene() as scene:
        yield scene
