"""Whether our app stands in Saleor, for the owner to see."""

from __future__ import annotations

import pytest

from retarget_plugin.models import SaleorApp

from . import rows
from .conftest import page, read

pytestmark = pytest.mark.django_db


def app(**changes):
    values = {
        "host": "saleor",
        "api_url": "https://shop.saleor.example/graphql/",
        "app_id": "QXBwOjE=",
        "token": "s3cret",
    }
    values |= {"jwks": {"keys": ["k3y"]}, "keys_asked_at": rows.NOW, "changed_at": rows.NOW}
    return SaleorApp.objects.create(**values, **changes)


@pytest.mark.parametrize(("is_active", "said"), [(True, "Installed"), (False, "Switched off in Saleor")])
def test_the_owner_sees_whether_it_is_on_and_no_secret(owner, is_active, said):
    row = app(is_active=is_active)

    listed, shown = read(owner, page("saleorapp_changelist")), read(owner, page("saleorapp_change", row.pk))

    assert said in listed and said in shown
    assert "https://shop.saleor.example/graphql/" in listed
    assert not [secret for secret in ("s3cret", "k3y") if secret in listed + shown]


def test_a_shop_without_saleor_has_no_such_entry(owner):
    before = read(owner, "/admin/")
    app()

    assert "Saleor apps" not in before
    assert "Saleor apps" in read(owner, "/admin/")
