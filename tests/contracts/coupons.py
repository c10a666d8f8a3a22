"""What a shop system that makes coupons must hold to. Subclass it; `host` says which, the rest how to look into it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, connections

from retarget_plugin.domain.carts import CouponSpec
from retarget_plugin.hosts import Host

WORKERS = 16


class CouponContract:
    """`scope` and `currency`: of the shop that the coupons are for."""

    scope = ""
    currency = "EUR"
    #: Whether several workers may talk to it at once here.
    is_concurrent = True

    @pytest.fixture
    def host(self) -> Host:
        raise NotImplementedError

    def codes(self, host: Host) -> list[str]:
        """Every code that the shop would take from a shopper now, or has taken."""
        raise NotImplementedError

    def use(self, host: Host, code: str) -> None:
        """A shopper buys with `code`."""
        raise NotImplementedError

    def spec(self, **changes: Any) -> CouponSpec:
        given = {
            "kind": "percent",
            "value": Decimal(10),
            "expires_at": datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=3),
            "currency": self.currency,
            "label": "Retarget welcome",
            "idempotency_key": "message-1",
            "scope": self.scope,
        }
        return CouponSpec(**{**given, **changes})

    def test_one_key_is_one_code_and_another_key_another(self, host):
        codes = [host.create_coupon(self.spec(idempotency_key=key)) for key in ("a", "a", "b")]

        assert codes[0] == codes[1] != codes[2]
        assert sorted(self.codes(host)) == sorted(set(codes))

    @pytest.mark.parametrize(
        ("changes", "is_made"),
        [
            ({}, True),
            ({"kind": "amount", "value": Decimal("7.50"), "minimum_total": Decimal(50)}, True),
            ({"value": Decimal(100)}, True),
            ({"kind": "points"}, False),
            ({"value": Decimal(0)}, False),
            ({"value": Decimal(101)}, False),
            ({"kind": "amount", "currency": "XXX"}, False),
        ],
    )
    def test_it_says_beforehand_what_it_will_not_make(self, host, changes, is_made):
        spec = self.spec(**changes)

        problems = host.coupon_problems(spec)

        assert self.codes(host) == []
        assert (problems == [], host.create_coupon(spec) is not None) == (is_made, is_made)
        assert len(self.codes(host)) == is_made

    def test_what_is_withdrawn_is_gone_what_was_used_stays_and_twice_is_as_good_as_once(self, host):
        keys = ("used", "dead", "dead-too", "alive")
        made = {key: host.create_coupon(self.spec(idempotency_key=key)) for key in keys}
        self.use(host, made["used"])

        for _time in range(2):
            host.withdraw_coupons([made["used"], made["dead"], "NEVER-MADE", made["dead-too"]])

        assert sorted(self.codes(host)) == sorted([made["used"], made["alive"]])

    def test_nothing_is_withdrawn_when_nothing_is_asked(self, host):
        code = host.create_coupon(self.spec())

        host.withdraw_coupons([])

        assert self.codes(host) == [code]

    @pytest.mark.django_db(transaction=True)
    def test_many_workers_with_one_key_make_one_code(self, host):
        if not self.is_concurrent and connection.vendor == "sqlite":
            pytest.skip("one writer at a time there")
        start, made = threading.Barrier(WORKERS), []

        def work():
            start.wait()
            made.append(host.create_coupon(self.spec()))
            connections.close_all()

        workers = [threading.Thread(target=work) for _number in range(WORKERS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        assert len(made) == WORKERS
        assert self.codes(host) == [made[0]]
        assert set(made) == {made[0]}
