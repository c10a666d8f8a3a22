"""The shipped layouts of mails, as they are installed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable


@cache
def shipped() -> Mapping[str, str]:
    """File name -> source; "parts/footer.mjml" is one that several take in."""
    return dict(_files(resources.files("retarget_plugin").joinpath("templates", "retarget_plugin", "layouts")))


def _files(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _files(entry, f"{prefix}{entry.name}/")
        else:
            found.append((f"{prefix}{entry.name}", entry.read_text("utf-8")))
    return found
