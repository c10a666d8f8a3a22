"""What every kind of magnet must hold to, shipped or a shop's own. Subclass it and say `kind` and `options`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from retarget_plugin.domain.magnets import Gift, Kind, OptionType
from retarget_plugin.engine import magnets

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


class KindContract:
    #: The kind, and options that an owner may save for it.
    kind: Kind
    options: dict[str, Any]

    def test_it_says_what_it_is(self):
        assert self.kind.label
        assert len({option.name for option in self.kind.options}) == len(self.kind.options)
        assert all(option.label and option.name.isidentifier() for option in self.kind.options)
        assert all(bool(option.choices) == (option.type is OptionType.CHOICE) for option in self.kind.options)

    def test_right_options_have_no_problem_and_can_be_stored(self):
        assert magnets.problems(self.kind, self.options) == {}
        assert json.loads(json.dumps(self.options)) == self.options

    def test_a_missing_option_is_named(self):
        for option in self.kind.options:
            if option.is_required:
                assert option.name in magnets.problems(self.kind, {**self.options, option.name: ""})

    def test_no_rubbish_makes_it_raise(self):
        for rubbish in ("x", "-1", "NaN", "1e999", "javascript:alert(1)", "2026-99-99", None, [], {}):
            for option in self.kind.options:
                problems = magnets.problems(self.kind, {**self.options, option.name: rubbish})
                assert set(problems) <= {option.name for option in self.kind.options}

    def test_the_gift_is_the_same_however_often_it_is_asked(self):
        first, second = (self.kind.gift(self.options, code="A-1", given_at=NOW) for _time in range(2))

        assert isinstance(first, Gift)
        assert first == second
        assert first.starts_at is None or first.starts_at.tzinfo

    def test_its_coupon_is_worth_something_and_ends(self):
        spec = self.kind.coupon(self.options, currency="EUR", key="lead-1", now=NOW)

        if spec is not None:
            assert spec.value > Decimal()
            assert NOW < spec.expires_at <= NOW + timedelta(days=366)
            assert spec.idempotency_key == "lead-1"
