"""What no person's hand could do is a machine's, and what an ordinary visit looks like is not."""

from datetime import timedelta

import pytest

from retarget_plugin.domain.events import Event
from retarget_plugin.domain.machines import Behavior, says_so


def told(*names, apart=timedelta(seconds=5)):
    return [Event(name=name, ago=apart * number) for number, name in enumerate(reversed(names))][::-1]


@pytest.mark.parametrize(
    ("events", "before", "is_machine"),
    [
        (told("page_view", "view_item", "add_to_cart"), [], False),
        (told("add_to_cart"), ["page_view"], False),
        (told("add_to_cart"), ["view_cart"], True),
        (told("add_to_cart"), [], True),
        (told(*["scroll"] * 50), ["scroll"] * 150, False),
        (told(*["scroll"] * 50), ["scroll"] * 151, True),
        (told("page_view"), ["page_view"] * 39, False),
        (told("page_view"), ["page_view"] * 40, True),
        (told("page_view", *["add_to_cart"] * 8, apart=timedelta(milliseconds=20)), [], False),
        (told("page_view", *["add_to_cart"] * 9, apart=timedelta(milliseconds=20)), [], True),
        (told("page_view", *["add_to_cart"] * 9, apart=timedelta(milliseconds=400)), [], False),
    ],
)
def test_behavior_tells_machines_from_people(events, before, is_machine):
    assert Behavior.of(events, before=before).is_machine is is_machine


def test_a_page_seen_earlier_explains_what_is_put_into_a_cart():
    behavior = Behavior.of(told("add_to_cart"), before=[])

    assert behavior.with_page(True).is_machine is False
    assert behavior.with_page(False).is_machine is True


@pytest.mark.timeout(2)
def test_a_megabyte_of_agent_is_looked_at_in_no_time():
    assert says_so(user_agent="Mozilla/5.0 " + "x" * 1_000_000 + " bot/", headers={}) is False
