"""What the fault tests run in processes of their own: `python -m tests.faults.rig prepare COUNT` and `... ledger`."""

from __future__ import annotations

import json
import sys
from datetime import timedelta

import django


def prepare(count: int) -> None:
    """A migrated database in which `count` people have left a cart four hours ago."""
    from django.core.management import call_command
    from django.utils import timezone

    call_command("migrate", run_syncdb=True, verbosity=0)

    from retarget_plugin.engine import flows
    from retarget_plugin.models import Cart, Flow
    from retarget_plugin.testing import build_contact, build_shop
    from tests.shop.models import Basket, Line, Product

    now = timezone.now()
    shop, product = build_shop(), Product.objects.create(name="Macro lens", price=499)
    for flow in Flow.objects.filter(shop=shop):
        flows.turn_on(flow, now=now)
    for number in range(count):
        email = f"person{number}@example.com"
        build_contact(shop, now=now, email=email)
        basket = Basket.objects.create(email=email)
        Line.objects.create(basket=basket, product=product)
    Cart.objects.update(touched_at=now - timedelta(hours=4, minutes=1))


def ledger() -> None:
    """Every e-mail there is: recipient, state and how often it was tried."""
    from retarget_plugin.models import Message

    rows = Message.objects.filter(channel="email").values_list("contact__email", "state", "attempts_made")
    print(json.dumps(list(rows)))


if __name__ == "__main__":
    django.setup()
    prepare(int(sys.argv[2])) if sys.argv[1] == "prepare" else ledger()
