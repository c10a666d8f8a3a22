"""Who a browser is, told by Oscar's own log-in and log-out pages."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from retarget_plugin.domain.carts import Identity
from retarget_plugin.domain.grants import Grant
from retarget_plugin.engine import visitors
from retarget_plugin.models import Visitor
from retarget_plugin.testing import Clock, build_shop

CREDENTIALS = {"login-username": "ana@example.com", "login-password": "pw", "login_submit": "Log In"}


@pytest.fixture
def visitor(browser: Any) -> Visitor:
    """The visitor of `browser`."""
    met = visitors.meet(build_shop(), grant=Grant(tracking=True), now=Clock().now)
    browser.cookies["retarget_visitor"] = met.key
    return met


@pytest.mark.django_db(transaction=True)
def test_logging_in_makes_the_visitor_known_and_logging_out_ends_it(browser: Any, user: Any, visitor: Visitor) -> None:
    browser.post(reverse("customer:login"), CREDENTIALS)
    visitor.refresh_from_db()
    known_as = visitor.contact and visitor.contact.email
    browser.get(reverse("customer:logout"))
    browser.post(reverse("customer:logout"))

    assert known_as == "ana@example.com"
    assert visitors.find(visitor.key) is None


def test_an_account_is_told_without_a_query(host: Any, user: Any, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        account = host.account_of(user)

    assert account == Identity(external_id=str(user.pk), email="ana@example.com", first_name="Ana", last_name="Martin")


def test_staff_are_no_customers(host: Any, user: Any) -> None:
    user.is_staff = True

    assert host.account_of(user) is None
