"""What a shop system whose coupons a link applies must hold to. Subclass it; `host` says which, the rest how to look in."""

from __future__ import annotations

from typing import Any

import pytest

from retarget_plugin.hosts import Host


class OfferContract:
    """A `browser` is whoever opens the link."""

    @pytest.fixture
    def host(self) -> Host:
        raise NotImplementedError

    @pytest.fixture
    def browser(self) -> Any:
        raise NotImplementedError

    def code(self, host: Host) -> str:
        """A code that is good."""
        raise NotImplementedError

    def end(self, code: str) -> None:
        """The last day of `code` is over."""
        raise NotImplementedError

    def apply(self, host: Host, browser: Any, code: str) -> bool:
        """What `host` answers to a request of `browser`."""
        raise NotImplementedError

    def fill(self, browser: Any) -> None:
        """The shopper puts something into the cart."""
        raise NotImplementedError

    def lines(self, browser: Any) -> dict[str, int]:
        """Title -> quantity."""
        raise NotImplementedError

    def codes(self, browser: Any) -> list[str]:
        """Codes that the shopper's cart has, or will have once there is one."""
        raise NotImplementedError

    def test_it_says_that_it_can(self, host):
        assert host.can_apply_coupons is True

    def test_a_cart_gets_the_code_and_stays_as_it_is(self, host, browser):
        self.fill(browser)
        before, code = self.lines(browser), self.code(host)

        assert self.apply(host, browser, code) is True

        assert self.codes(browser) == [code]
        assert self.lines(browser) == before

    def test_a_code_waits_for_a_cart(self, host, browser):
        code = self.code(host)

        assert self.apply(host, browser, code) is True
        self.fill(browser)

        assert self.codes(browser) == [code]

    def test_twice_is_as_good_as_once(self, host, browser):
        self.fill(browser)
        code = self.code(host)

        answers = [self.apply(host, browser, code) for _time in range(2)]

        assert answers == [True, True]
        assert self.codes(browser) == [code]

    def test_what_is_over_or_unknown_is_not_applied(self, host, browser):
        self.fill(browser)
        over = self.code(host)
        self.end(over)

        answers = [self.apply(host, browser, code) for code in (over, "NEVER-MADE")]

        assert answers == [False, False]
        assert self.codes(browser) == []
