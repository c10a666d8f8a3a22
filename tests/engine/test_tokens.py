"""Every kind of token: nothing opens but what we made, for what we made it for, for as long as it was meant to."""

from __future__ import annotations

import random
import statistics
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import signing

from retarget_plugin.engine import tokens
from retarget_plugin.exceptions import Refusal
from tests.promises import is_long, length

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
ALPHABET = string.ascii_letters + string.digits + "-_.:="
STRANGE = "é\u00a0\u200b\u202e😀\0\n\r\t %;?#&<>\"'\\\u0661\uff11"


@dataclass(frozen=True)
class Kind:
    """How one kind is made for the n-th person, how it is read, and the days it lives (None: for ever)."""

    make: Callable[[int], str]
    read: Callable[[str], Any]
    days: int | None


KINDS = {
    "recovery": Kind(lambda n: tokens.recovery(cart_id=n, contact_id=n, message_id=n), tokens.read_recovery, 30),
    "unsubscribe": Kind(
        lambda n: tokens.unsubscribe(contact_id=n, channel="email", message_id=n),
        lambda token: tokens.read_unsubscribe(token, is_page=False),
        None,
    ),
    "unsubscribe page": Kind(
        lambda n: tokens.unsubscribe(contact_id=n, channel="email", message_id=n),
        lambda token: tokens.read_unsubscribe(token, is_page=True),
        60,
    ),
    "confirm": Kind(lambda n: tokens.confirm(contact_id=n, message_id=n), tokens.read_confirm, 7),
    "asset": Kind(lambda n: tokens.asset(lead_id=n), tokens.read_asset, 30),
    "preferences": Kind(lambda n: tokens.preferences(contact_id=n), tokens.read_preferences, 60),
    "store": Kind(lambda n: tokens.store(store_id=n, message_id=n), tokens.read_store, 30),
    "export": Kind(lambda n: tokens.export(contact_id=n, message_id=n), tokens.read_export, 2),
}
#: The page and the act are one kind of token.
SAME = {"unsubscribe", "unsubscribe page"}


@pytest.fixture(autouse=True)
def _now():
    with time_machine.travel(NOW, tick=False):
        yield


def opens(read: Callable[[str], Any], token: str) -> bool:
    try:
        read(token)
    except Refusal as refusal:
        assert refusal.reason == "bad_token"
        return False
    return True


# -- forgeries --------------------------------------------------------------------------------------------------------


def mutated(token: str, dice: random.Random) -> str:
    """One to three letters of a good token changed, dropped, added or swapped; or the whole of it bent."""
    letters = list(token)
    for _turn in range(dice.randint(1, 3)):
        place = dice.randrange(len(letters))
        match dice.randrange(5):
            case 0:
                letters[place] = dice.choice(ALPHABET)
            case 1 if len(letters) > 1:
                del letters[place]
            case 2:
                letters.insert(place, dice.choice(ALPHABET + STRANGE))
            case 3:
                letters = letters[place:] + letters[:place]
            case _:
                letters = list(dice.choice([str.upper, str.lower, str.swapcase])("".join(letters)))
    return "".join(letters)


def renumbered(token: str, dice: random.Random) -> str:
    payload, _colon, rest = token.partition(":")
    parts = [str(dice.randint(-9, 10 ** dice.randint(1, 30))) for _part in payload.split(".")]
    return f"{'.'.join(parts)}:{rest}"


def resigned(token: str, dice: random.Random) -> str:
    """Signed in good form, by somebody who knows everything but the key; or as the very first version might have been."""
    payload, purpose = token.partition(":")[0], dice.choice(list(KINDS))
    salt = dice.choice([f"retarget_plugin.{purpose}.v1", f"retarget_plugin.{purpose}", "django.core.signing", ""])
    key = dice.choice(["secret", "only-for-tests ", str(dice.random())])
    sign = dice.choice([signing.TimestampSigner, signing.Signer])
    return dice.choice([sign(key=key, salt=salt).sign(payload), signing.dumps(payload, key=key, salt=salt), payload])


def spliced(token: str, other: str, dice: random.Random) -> str:
    """Parts of two tokens that are both good as they are."""
    ours, theirs = token.split(":"), other.split(":")
    return ":".join(dice.choice(pair) for pair in zip(ours, theirs, strict=True))


def nonsense(dice: random.Random) -> str:
    return "".join(dice.choices(ALPHABET + STRANGE, k=dice.choice([0, 0, 1, 2, 20, 90, 199, 200, 201, 2000])))


def forgeries(name: str, good: list[str], foreign: list[str], dice: random.Random) -> Iterator[str]:
    """Without end: what nobody signed for `name`. `good`: some that were, `foreign`: some of every other kind."""
    while True:
        token = dice.choice(good)
        yield mutated(token, dice)
        yield renumbered(token, dice)
        yield resigned(token, dice)
        yield spliced(token, dice.choice(good), dice)
        yield spliced(token, dice.choice(foreign), dice)
        yield dice.choice(foreign)
        yield nonsense(dice)


@pytest.mark.promise
def test_no_forged_token_of_any_kind_is_accepted(promise):
    dice = random.Random(20261124)
    count = length(20_000, 1_000_000)
    good = {name: [kind.make(number) for number in range(1, 40)] for name, kind in KINDS.items()}
    with time_machine.travel(NOW - timedelta(days=1), tick=False):
        for name, kind in KINDS.items():
            good[name] += [kind.make(number) for number in range(1, 40)]

    accepted, tried = [], 0
    for name, kind in KINDS.items():
        mine = {token for other in (SAME if name in SAME else {name}) for token in good[other]}
        foreign = [token for other in KINDS for token in good[other] if token not in mine]
        for forgery in forgeries(name, good[name], foreign, dice):
            if forgery in mine:
                continue
            tried += 1
            if opens(kind.read, forgery):
                accepted.append((name, forgery))
            if tried % (count // len(KINDS)) == 0:
                break

    unopened = [(name, token) for name, kind in KINDS.items() for token in good[name] if not opens(kind.read, token)]
    assert unopened == []
    promise(
        "X2",
        run=f"{tried:,} mutated, spliced, renumbered, re-signed, cross-purpose and empty tokens of {len(KINDS)} kinds",
        figure=f"accepted {len(accepted)}",
        bar="accepted 0",
        holds=not accepted and tried == count // len(KINDS) * len(KINDS),
    )


@pytest.mark.alone
@pytest.mark.promise
def test_how_long_a_refusal_takes_says_nothing_about_the_signature(promise):
    """The signature is compared in constant time: one that is right but for its end is refused as fast as any other."""
    token = tokens.confirm(contact_id=1, message_id=1)
    near = token[:-2] + ("AA" if not token.endswith("AA") else "BB")
    payload, _colon, signature = token.rpartition(":")
    far = f"{payload}:{signature[::-1]}"
    dice, count = random.Random(7), length(5_000, 100_000)
    kinds = [near, far] * count
    dice.shuffle(kinds)

    taken: dict[str, list[int]] = {near: [], far: []}
    for one in kinds:
        began = time.perf_counter_ns()
        opens(tokens.read_confirm, one)
        taken[one].append(time.perf_counter_ns() - began)

    t = abs(welch(trimmed(taken[near]), trimmed(taken[far])))
    promise(
        "X2",
        run=f"{count:,} refusals each of a signature that is almost right and of one that is not",
        figure=f"Welch t {t:.1f}",
        bar="t < 4.5",
        holds=t < 4.5 or not is_long(),
    )


def trimmed(values: list[int]) -> list[int]:
    """Without the slowest tenth, which is what else the machine did."""
    return sorted(values)[: len(values) * 9 // 10]


def welch(one: list[int], other: list[int]) -> float:
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / spread**0.5


# -- life -------------------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_every_kind_dies_when_it_should(promise):
    alive, dead = {}, {}
    for name, kind in KINDS.items():
        token, days = kind.make(7), kind.days or 5 * 365
        with time_machine.travel(NOW + timedelta(days=days, seconds=-1), tick=False):
            alive[name] = opens(kind.read, token)
        with time_machine.travel(NOW + timedelta(days=days, seconds=2), tick=False):
            dead[name] = not opens(kind.read, token)

    assert [name for name, is_alive in alive.items() if not is_alive] == []
    assert [name for name, is_dead in dead.items() if not is_dead] == ["unsubscribe"]
    lives = ", ".join(f"{name} {kind.days or 'for ever'}" for name, kind in KINDS.items())
    longest = {"recovery": 30, "unsubscribe page": 60, "confirm": 7}
    promise(
        "X3",
        run=f"{len(KINDS)} kinds, a second before and after their end (days: {lives})",
        figure=f"{sum(alive.values())} alive before, {sum(dead.values())} dead after",
        bar="recovery ≤ 30 d, unsubscribe page ≤ 60 d, confirm ≤ 7 d; only the unsubscribe POST lives on",
        holds=all((KINDS[name].days or 0) <= days for name, days in longest.items()),
    )


@pytest.mark.parametrize("name", list(KINDS))
def test_a_rotated_key_keeps_tokens_alive_as_long_as_it_is_a_fallback(settings, name):
    token = KINDS[name].make(7)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new key"

    without = opens(KINDS[name].read, token)
    settings.SECRET_KEY_FALLBACKS = [old]
    with_fallback = opens(KINDS[name].read, token)

    assert (without, with_fallback) == (False, True)
