"""Seals: nobody else can name a message of ours."""

from __future__ import annotations

from datetime import timedelta

import pytest

from retarget_plugin.engine import seals

from .handed_over import hand_over

pytestmark = [pytest.mark.django_db, pytest.mark.delivery]


@pytest.fixture
def message(shop, clock):
    return hand_over(shop, now=clock.now)


def test_a_seal_holds_for_its_message_and_purpose_only(shop, message, clock):
    other = hand_over(shop, now=clock.now, contact=message.contact)
    seal = seals.of(message, seals.REPORT)

    assert seals.holds(message, seal, seals.REPORT)
    assert not seals.holds(message, seal, seals.STOP)
    assert not seals.holds(other, seal, seals.REPORT)
    assert not any(seals.holds(message, wrong, seals.REPORT) for wrong in ("", seal[:-1], seal.upper(), "é" * 26))


def test_the_same_number_in_another_copy_of_the_database_is_another_message(message):
    seal = seals.of(message, seals.REPORT)
    message.refresh_from_db()
    assert seals.holds(message, seal, seals.REPORT)

    message.created_at += timedelta(microseconds=1)

    assert not seals.holds(message, seal, seals.REPORT)


def test_a_seal_outlives_a_rotated_key_and_not_a_removed_one(settings, message):
    seal = seals.of(message, seals.REPORT)

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    assert seals.holds(message, seal, seals.REPORT)

    settings.SECRET_KEY_FALLBACKS = []
    assert not seals.holds(message, seal, seals.REPORT)


def test_an_address_of_a_message_is_read_back_in_any_case(settings, message):
    assert seals.mailbox(message) == ""

    settings.RETARGET = {**settings.RETARGET, "UNSUBSCRIBE_MAILBOX": "stop@in.shop.example"}
    address = seals.mailbox(message)

    assert address == f"stop+{message.pk}-{seals.of(message, seals.STOP)}@in.shop.example"
    assert seals.read_mailbox(address.upper()) == (message.pk, seals.of(message, seals.STOP))


@pytest.mark.parametrize(
    "address",
    ["", "stop@in.shop.example", "stop+1@x.example", f"stop+{'1' * 19}-{'a' * 26}@x", f"+١-{'a' * 26}@x", "+1-a@b@c"],
)
def test_any_other_address_names_no_message(address):
    assert seals.read_mailbox(address) is None
