"""A thousand tokens that nobody signed: none opens anything, and all get one answer."""

import random
from base64 import urlsafe_b64encode
from datetime import timedelta
from urllib.parse import quote

import pytest
import time_machine
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from retarget_plugin import urls
from retarget_plugin.engine import tokens
from retarget_plugin.models import Contact
from tests.shop.models import Basket
from tests.web.conftest import answer, kept_rows, make_message

COUNT = 1000
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:="
STRANGE = "é\u00a0\u200b\u202e😀\0\n\r\t %;?#&<>\"'\\\u0661\uff11"


def flipped(token, dice):
    place = dice.randrange(len(token))
    return token[:place] + dice.choice(ALPHABET.replace(token[place], "")) + token[place + 1 :]


def truncated(token, dice):
    return token[: dice.randrange(1, len(token))] if dice.random() < 0.5 else token[dice.randrange(1, len(token)) :]


def padded(token, dice):
    place = dice.randrange(len(token) + 1)
    return token[:place] + dice.choice(ALPHABET + STRANGE) * dice.randint(1, 3) + token[place:]


def doubled(token, dice):
    return dice.choice([token + token, f"{token}:{token}", token + ":", ":" + token, token.replace(":", "::")])


def recased(token, dice):
    return dice.choice([token.upper(), token.lower(), token.swapcase(), token[::-1]])


def misplaced(token, dice):
    parts = token.split(":")
    dice.shuffle(parts)
    return ":".join(parts[: dice.randint(1, 3)])


def renumbered(token, dice):
    payload, _colon, rest = token.partition(":")
    numbers = [str(dice.randint(-5, 10 ** dice.randint(1, 25))) for _ in payload.split(".")]
    return f"{'.'.join(numbers)}:{rest}"


def unsigned(token, dice):
    payload = token.partition(":")[0]
    encoded = urlsafe_b64encode(payload.encode()).decode()
    return dice.choice([payload, f"{payload}:", f"{payload}::", encoded, f"{encoded}.{encoded}.", f"{payload}:1tAbCd:"])


def resigned(token, dice):
    payload = token.partition(":")[0]
    salt = dice.choice(["retarget_plugin.recovery.v1", "retarget_plugin.unsubscribe.v1", "django.core.signing", ""])
    return signing.TimestampSigner(key=f"a guess {dice.random()}", salt=salt).sign(payload)


def nonsense(token, dice):
    return "".join(dice.choices(ALPHABET + STRANGE, k=dice.choice([1, 2, 20, 80, 199, 200, 201, 3000])))


MUTATIONS = [
    flipped,
    flipped,
    flipped,
    truncated,
    padded,
    doubled,
    recased,
    misplaced,
    renumbered,
    unsigned,
    resigned,
    nonsense,
]


def spliced(one, other):
    """Every exchange of parts between two tokens, both of which are good as they are."""
    for left in range(1, 3):
        ours, theirs = one.split(":"), other.split(":")
        yield ":".join(ours[:left] + theirs[left:])
        yield ":".join(theirs[:left] + ours[left:])
        yield ":".join([*ours[:left], theirs[left], *ours[left + 1 :]])


def forged(good, others):
    """COUNT different tokens made from `good` and `others`, none of them one of those."""
    dice = random.Random(20250304)
    found = {token for other in others for token in spliced(good, other)}
    while len(found) < COUNT:
        found.add(dice.choice(MUTATIONS)(good, dice))
    # The server splits an address at a slash, and a browser one at a dot segment, before we are asked.
    return sorted(token for token in found - {good, *others} if token.strip("."))


def address(page, token):
    return f"/retarget/{page}/{quote(token, safe='')}/"


@pytest.fixture
def good(cart, message, contact, shop):
    """Good tokens by page: this person's, then others that are good too, of the same purpose and of the other."""
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        other = Contact.objects.create(shop=shop, email="other@mail.example", created_at=timezone.now())
        theirs = make_message(other)
        recovery = [
            tokens.recovery(cart_id=cart.pk, contact_id=contact.pk, message_id=message.pk),
            tokens.recovery(cart_id=cart.pk, contact_id=other.pk, message_id=theirs.pk),
        ]
        stop = [
            tokens.unsubscribe(contact_id=contact.pk, channel="email", message_id=message.pk),
            tokens.unsubscribe(contact_id=other.pk, channel="sms", message_id=theirs.pk),
        ]
    with time_machine.travel(timezone.now() - timedelta(days=1)):
        recovery.append(tokens.recovery(cart_id=cart.pk, contact_id=contact.pk, message_id=message.pk))
        stop.append(tokens.unsubscribe(contact_id=contact.pk, channel="email", message_id=message.pk))
    return {"recover": recovery, "unsubscribe": stop}


@pytest.mark.parametrize("page", ["recover", "unsubscribe"])
def test_no_forged_token_is_accepted_and_all_get_one_answer(client, good, page):
    token, *others = good[page]
    before = kept_rows()
    expected = answer(client.get(address(page, "nonsense")))

    opened, differing = [], []
    for forgery in forged(token, others):
        for method in ("get", "post"):
            response = getattr(client, method)(address(page, forgery))
            if response.status_code != 404:
                opened.append((method, forgery))
            elif "/" not in forgery and answer(response) != expected:
                differing.append((method, forgery))

    assert client.get(address(page, token)).status_code == 200
    assert opened == []
    assert differing == []
    assert expected[0] == 404
    assert kept_rows() == before


@pytest.mark.parametrize(("page", "other"), [("recover", "unsubscribe"), ("unsubscribe", "recover")])
def test_a_token_of_one_purpose_is_worthless_for_another(client, good, page, other):
    before = kept_rows()
    expected = answer(client.get(address(page, "nonsense")))

    answers = [
        answer(getattr(client, method)(address(page, token))) for token in good[other] for method in ("get", "post")
    ]

    assert answers == [expected] * 6
    assert kept_rows() == before


@pytest.mark.parametrize("page", ["recover", "unsubscribe"])
@pytest.mark.parametrize("rest", ["", "//", "a/b/", "../../admin/", "%2F/"])
def test_a_missing_token_is_no_address_at_all(client, page, rest):
    response = client.get(f"/retarget/{page}/{rest}")

    assert response.status_code == 404


@pytest.mark.parametrize("page", ["recover", "unsubscribe"])
def test_a_rotated_key_keeps_links_alive_as_long_as_it_is_a_fallback(settings, good, page):
    url = address(page, good[page][0])
    old, settings.SECRET_KEY = settings.SECRET_KEY, "a new key"

    without = Client().get(url).status_code
    settings.SECRET_KEY_FALLBACKS = [old]
    with_fallback = Client().get(url).status_code

    assert (without, with_fallback) == (404, 200)
    assert Basket.objects.count() == 0


#: Every page that a token opens, and a good token of its kind made now.
KINDS = {
    "recover": lambda cart, message: tokens.recovery(
        cart_id=cart.pk, contact_id=message.contact_id, message_id=message.pk
    ),
    "unsubscribe": lambda cart, message: tokens.unsubscribe(
        contact_id=message.contact_id, channel="email", message_id=message.pk
    ),
    "confirm": lambda cart, message: tokens.confirm(contact_id=message.contact_id, message_id=message.pk),
    "refuse": lambda cart, message: tokens.confirm(contact_id=message.contact_id, message_id=message.pk),
    "preferences": lambda cart, message: tokens.preferences(contact_id=message.contact_id),
    "keep": lambda cart, message: tokens.keep(contact_id=message.contact_id),
    "offer": lambda cart, message: tokens.offer(message_id=message.pk),
    "store": lambda cart, message: tokens.store(store_id=1, message_id=message.pk),
    "assets": lambda cart, message: tokens.asset(lead_id=1),
    "export": lambda cart, message: tokens.export(contact_id=message.contact_id, message_id=message.pk),
}


def test_every_page_that_takes_a_token_is_in_the_table():
    taking = {pattern.name for pattern in urls.urlpatterns if "<str:token>" in str(pattern.pattern)}

    assert taking == set(KINDS)


@pytest.mark.parametrize("page", list(KINDS))
def test_what_is_expired_or_of_another_kind_gets_the_page_that_says_nothing(client, cart, message, page):
    """One safe page for all, whoever's link it was; only an old unsubscribe POST still acts, and that has its own test."""
    with time_machine.travel(timezone.now() - timedelta(days=61)):
        old = KINDS[page](cart, message)
    foreign = [
        make(cart, message) for name, make in KINDS.items() if {name, page} not in ({"confirm", "refuse"}, {page})
    ]
    dead = answer(client.get(reverse("retarget_plugin:recover", args=["nonsense"])))
    before = kept_rows()

    methods = ["get"] if page == "unsubscribe" else ["get", "post"]
    answers = [answer(getattr(client, m)(reverse(f"retarget_plugin:{page}", args=[old]))) for m in methods]
    answers += [
        answer(getattr(client, m)(reverse(f"retarget_plugin:{page}", args=[token])))
        for token in foreign
        for m in ("get", "post")
    ]

    allowed = [found for found in answers if found[0] != 405]
    assert set(map(str, allowed)) == {str(dead)}
    assert kept_rows() == before
