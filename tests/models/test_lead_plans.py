"""The hot queries about leads stay on their indexes with a realistic number of rows (PostgreSQL)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from retarget_plugin.engine import leads
from retarget_plugin.models import Lead
from retarget_plugin.testing import build_shop
from tests.lead_forms import make_form

from .test_plans import fill, plan

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans are PostgreSQL's"),
]
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MANY = 20_000


@pytest.fixture
def form():
    """One form of many, with a year of leads of which the last few are new."""
    shop = build_shop()
    forms = [make_form(shop, slug=f"form-{number}", now=NOW) for number in range(20)]
    fill(
        Lead,
        [
            Lead(
                shop=shop,
                form=forms[number % 20],
                email=f"p{number}@example.com",
                created_at=NOW - timedelta(minutes=25 * number),
                confirmed_at=None if number % 50 == 0 else NOW,
                due_at=NOW if number < 20 else None,
            )
            for number in range(MANY)
        ],
    )
    return forms[0]


def test_new_leads_are_found_by_index(form):
    found = plan(Lead.objects.filter(due_at__lte=NOW).order_by("due_at", "pk").values_list("pk", flat=True)[:200])

    assert "retarget_lead_due" in found
    assert "Seq Scan" not in found


def test_leads_to_forget_are_found_by_index(form):
    old = Lead.objects.filter(confirmed_at=None, created_at__lt=NOW - timedelta(days=14)).order_by("created_at")[:1000]

    found = plan(old)

    assert "retarget_lead_unconfirmed" in found
    assert "Seq Scan" not in found


def test_the_figures_of_a_form_read_its_own_leads(form):
    with CaptureQueriesContext(connection) as captured:
        figures = leads.figures([form], since=NOW - timedelta(days=30), until=NOW)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {captured[-1]['sql']}")
        found = "\n".join(line for (line,) in cursor.fetchall())

    assert figures[form.pk].submitted == 86
    assert "retarget_lead_form" in found
    assert "Seq Scan" not in found
