"""A shop some of whose carts raise, hang, eat the memory or break the interpreter.

As a host: `{"BACKEND": "tests.faults.poisoned.Shop", "OPTIONS": {"poison": {e-mail: deed}, "folder": path}}`. Each deed is
a line "deed pid" in the folder's `poison` before it is done; a file called `healed` ends them all.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

MEMORY = 4 * 1024**3


def raise_when_read(cart: Any) -> Any:
    """A title that is no title: it raises where the message is written."""

    class Title:
        def __str__(self) -> str:
            raise RuntimeError("no title")

    return replace(cart, items=[replace(item, title=Title()) for item in cart.items])


def hang(cart: Any) -> Any:
    while True:
        time.sleep(1)


def eat(cart: Any) -> Any:
    """Memory, more of it than there is: then the system ends the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    held = []
    try:
        while True:
            held.append(bytearray(64 * 1024**2))
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


def break_interpreter(cart: Any) -> Any:
    ctypes.string_at(0)


DEEDS = {"raise": raise_when_read, "hang": hang, "eat": eat, "segfault": break_interpreter}


def make_shop() -> type:
    from tests.shop.retarget import Shop as TinyShop

    class Poisoned(TinyShop):
        def __init__(self, alias: str, *, poison: Mapping[str, str], folder: str) -> None:
            super().__init__(alias)
            self.poison, self.folder = poison, Path(folder)

        def get_cart(self, reference: str) -> Any:
            cart = super().get_cart(reference)
            deed = self.poison.get(cart.identity.email) if cart and cart.identity else None
            if cart is None or deed is None or (self.folder / "healed").exists():
                return cart
            with (self.folder / "poison").open("a") as deeds:
                deeds.write(f"{deed} {os.getpid()}\n")
            return DEEDS[deed](cart)

    return Poisoned


def __getattr__(name: str) -> Any:
    # The tiny shop's rows can be imported only once Django is set up.
    if name == "Shop":
        return make_shop()
    raise AttributeError(name)
