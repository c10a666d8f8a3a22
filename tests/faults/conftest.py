"""A rig for each fault test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .rig import Rig


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "make_rig" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.alone)


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs that end with the test; takes what `Rig` takes but for the folder."""
    with ExitStack() as stack:

        def make(**options: Any) -> Rig:
            folder = tmp_path / f"rig{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(Rig(folder, **options))

        yield make
