"""The owner at Oscar's dashboard, over real HTTP."""

from __future__ import annotations

from .catalogue import OWNER_EMAIL, PASSWORD
from .forms import Page
from .shopper import Shopper


class Owner(Shopper):
    """A browser that is logged in to the dashboard from its first page on."""

    def log_in(self) -> Page:
        self.visit("/dashboard/login/")
        self._send(self._form(holding="username"), {"username": OWNER_EMAIL, "password": PASSWORD})
        return self._expect("/dashboard/")

    def set_status(self, number: str, status: str) -> Page:
        """Move the order on by one step of OSCAR_ORDER_STATUS_PIPELINE."""
        self.visit(f"/dashboard/orders/{number}/")
        self._send(self._form(id="order_status_form"), {"new_status": status})
        return self._expect(f"/dashboard/orders/{number}/")
