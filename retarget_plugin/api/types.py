"""Every GraphQL type. A schema has one name space that the shop shares with us: all names start with Retarget."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import graphene

from retarget_plugin.domain.vocabulary import Channel, MessageState, Reason
from retarget_plugin.exceptions import InputError, Refusal

from . import errors
from .errors import ErrorCode

CENT = Decimal("0.01")

RetargetErrorCode = graphene.Enum.from_enum(
    ErrorCode, name="RetargetErrorCode", description="Why something was refused."
)
RetargetChannel = graphene.Enum.from_enum(Channel, name="RetargetChannel", description="How a message travels.")
RetargetMessageState = graphene.Enum.from_enum(
    MessageState, name="RetargetMessageState", description="Where a message stands on its way to the provider."
)
RetargetReason = graphene.Enum.from_enum(
    Reason, name="RetargetReason", description="Why a message was or was not sent."
)


class RetargetError(graphene.ObjectType):
    """Why a mutation did not do what it was asked."""

    field = graphene.String(description="Name of the input field that caused it, if one did.")
    message = graphene.String(description="For people, in the language of the request.")
    code = graphene.Field(RetargetErrorCode, required=True, description="For programs.")


class RetargetMoney(graphene.ObjectType):
    """An amount of money."""

    amount = graphene.String(required=True, description='Decimal number in major units, such as "59.90".')
    currency = graphene.String(required=True, description="ISO 4217 code.")


class RetargetPageInfo(graphene.ObjectType):
    """Where a page of a connection begins and ends."""

    has_next_page = graphene.Boolean(required=True)
    has_previous_page = graphene.Boolean(required=True)
    start_cursor = graphene.String()
    end_cursor = graphene.String()


# -- storefront ------------------------------------------------------------------------------------------------------


class RetargetCartLine(graphene.ObjectType):
    """One line of a cart."""

    product_id = graphene.ID(required=True, description="The shop's id of the product.")
    variant_id = graphene.ID(description="The shop's id of the variant, where it has variants.")
    sku = graphene.String()
    title = graphene.String(required=True)
    quantity = graphene.Int(required=True)
    unit_price = graphene.Field(RetargetMoney, required=True, description="With tax, as the shopper sees it.")
    total = graphene.Field(RetargetMoney, required=True, description="Unit price times quantity.")
    url = graphene.String(description="Page of the product.")
    image_url = graphene.String()
    is_available = graphene.Boolean(required=True, description="Whether it can be bought now.")


class RetargetCart(graphene.ObjectType):
    """A cart that somebody left behind: what is in it, and nothing about whose it is."""

    lines = graphene.List(graphene.NonNull(RetargetCartLine), required=True)
    quantity = graphene.Int(required=True, description="Pieces in all lines.")
    total = graphene.Field(RetargetMoney, required=True, description="Sum of the lines.")
    currency = graphene.String(required=True, description="ISO 4217 code of all prices.")


class RetargetProduct(graphene.ObjectType):
    """A product as the shop sells it now."""

    product_id = graphene.ID(required=True, description="The shop's id of the product.")
    title = graphene.String(required=True)
    url = graphene.String(required=True, description="Page of the product.")
    image_url = graphene.String(required=True)
    price = graphene.Field(RetargetMoney, description="With tax, as the shopper sees it.")


class RetargetRestoreCart(graphene.ObjectType):
    """The outcome of putting a cart back together. Either `url` or one of `errors` is there."""

    url = graphene.String(description="Page of the shop with the cart.")
    errors = graphene.List(graphene.NonNull(RetargetError), required=True)


class RetargetGrants(graphene.ObjectType):
    """What the owner of a browser allowed."""

    tracking = graphene.Boolean(required=True)
    ads = graphene.Boolean(required=True)
    measurement = graphene.Boolean(required=True)


class RetargetVisitor(graphene.ObjectType):
    """The browser that asks, and nothing about the person in it."""

    is_known = graphene.Boolean(required=True, description="Whether somebody has proven in it who they are.")
    grants = graphene.Field(RetargetGrants, required=True)


class RetargetOption(graphene.ObjectType):
    """An answer to choose."""

    value = graphene.String(required=True)
    label = graphene.String(required=True)


class RetargetFormField(graphene.ObjectType):
    """One question of a lead form."""

    name = graphene.String(required=True)
    type = graphene.String(required=True, description="email, tel, text, choice or choices.")
    label = graphene.String(required=True)
    required = graphene.Boolean(required=True)
    options = graphene.List(graphene.NonNull(RetargetOption), required=True)


class RetargetConsentBox(graphene.ObjectType):
    """A box that nobody may tick but the visitor. The label is what becomes evidence."""

    name = graphene.String(required=True, description='Of the field: ["1"] where it was ticked.')
    channel = graphene.Field(RetargetChannel, required=True)
    purpose = graphene.String(required=True)
    label = graphene.String(required=True)
    version = graphene.String(required=True)


class RetargetFormShow(graphene.ObjectType):
    """When a form is shown; null: that occasion does not count."""

    after_seconds = graphene.Int()
    scroll_percent = graphene.Int()
    on_exit = graphene.Boolean(required=True)
    devices = graphene.String(required=True, description="all, phone or desktop.")
    every_days = graphene.Int(required=True, description="Days until it is shown again; 0: as often as it likes.")


class RetargetLeadForm(graphene.ObjectType):
    """A form that belongs on a page, in one language."""

    slug = graphene.String(required=True)
    kind = graphene.String(required=True, description="popup, bar, inline or upgrade.")
    language = graphene.String(required=True)
    title = graphene.String(required=True)
    text = graphene.String(required=True)
    button = graphene.String(required=True)
    done = graphene.String(required=True)
    needs_tick = graphene.Boolean(required=True, description="Whether one of the boxes has to be ticked.")
    fields = graphene.List(graphene.NonNull(RetargetFormField), required=True)
    consents = graphene.List(graphene.NonNull(RetargetConsentBox), required=True)
    show = graphene.Field(RetargetFormShow, required=True)


class RetargetChannelChoice(graphene.ObjectType):
    """Marketing on one channel."""

    name = graphene.Field(RetargetChannel, required=True)
    label = graphene.String(required=True)
    address = graphene.String(required=True, description="Masked, such as an***@example.com.")
    state = graphene.String(required=True, description="on, off, waiting for a confirmation, or barred.")


class RetargetChoice(graphene.ObjectType):
    """Something that can be turned on or off."""

    name = graphene.String(required=True)
    label = graphene.String(required=True)
    is_on = graphene.Boolean(required=True)


class RetargetQuestion(graphene.ObjectType):
    """One of the shop's questions and its answers."""

    name = graphene.String(required=True)
    label = graphene.String(required=True)
    takes_several = graphene.Boolean(required=True)
    options = graphene.List(graphene.NonNull(RetargetChoice), required=True)


class RetargetPreferences(graphene.ObjectType):
    """What a person wants to hear: no name, and addresses masked."""

    language = graphene.String(required=True)
    channels = graphene.List(graphene.NonNull(RetargetChannelChoice), required=True)
    topics = graphene.List(graphene.NonNull(RetargetChoice), required=True)
    questions = graphene.List(graphene.NonNull(RetargetQuestion), required=True)
    grants = graphene.List(graphene.NonNull(RetargetChoice), required=True)


class RetargetOutcome(graphene.ObjectType):
    """Done, unless there are errors. The answer is the same whoever is concerned."""

    errors = graphene.List(graphene.NonNull(RetargetError), required=True)


class RetargetGrant(graphene.ObjectType):
    """The outcome of a grant: who the browser is from now on."""

    visitor = graphene.Field(RetargetVisitor)
    errors = graphene.List(graphene.NonNull(RetargetError), required=True)


class RetargetCaptureLead(graphene.ObjectType):
    """The outcome of a lead form. The same for people who are known, unknown or have said no."""

    message = graphene.String(description="What to tell the visitor.")
    errors = graphene.List(graphene.NonNull(RetargetError), required=True)


class RetargetConfirm(graphene.ObjectType):
    """The outcome of a confirmation."""

    channel = graphene.Field(RetargetChannel)
    errors = graphene.List(graphene.NonNull(RetargetError), required=True)


class RetargetUpdatePreferences(graphene.ObjectType):
    """The outcome of a change. `waiting`: channels that start after the confirmation that was sent."""

    preferences = graphene.Field(RetargetPreferences)
    waiting = graphene.List(graphene.NonNull(RetargetChannel), required=True)
    errors = graphene.List(graphene.NonNull(RetargetError), required=True)


# -- staff -----------------------------------------------------------------------------------------------------------


class RetargetShop(graphene.ObjectType):
    """A storefront with its own settings."""

    id = graphene.ID(required=True)
    name = graphene.String(required=True)


class RetargetFlow(graphene.ObjectType):
    """A journey of messages."""

    id = graphene.ID(required=True)
    slug = graphene.String(required=True)
    name = graphene.String(required=True)


class RetargetMessage(graphene.ObjectType):
    """One intended send and what became of it."""

    id = graphene.ID(required=True)
    shop = graphene.Field(RetargetShop, required=True)
    flow = graphene.Field(RetargetFlow, description="Empty for a message of no flow.")
    step = graphene.String(required=True)
    channel = graphene.Field(RetargetChannel, required=True)
    recipient = graphene.String(required=True, description="Masked, such as an***@example.com.")
    state = graphene.Field(RetargetMessageState, required=True)
    reason = graphene.Field(RetargetReason, description="Why it stands there, where there is something to say.")
    attempts = graphene.Int(required=True, description="Calls to the provider so far.")
    segments = graphene.Int(description="Parts of an SMS.")
    cost = graphene.Field(RetargetMoney, description="What the provider charged, where it says.")
    created_at = graphene.DateTime(required=True)
    due_at = graphene.DateTime(required=True)
    not_after = graphene.DateTime(required=True, description="It is not sent later than this.")
    sent_at = graphene.DateTime()
    delivered_at = graphene.DateTime()
    bounced_at = graphene.DateTime()
    complained_at = graphene.DateTime()
    opened_at = graphene.DateTime()
    clicked_at = graphene.DateTime(description="First click by a human.")
    unsubscribed_at = graphene.DateTime()


class RetargetMessageEdge(graphene.ObjectType):
    """A message and its place in the connection."""

    node = graphene.Field(RetargetMessage, required=True)
    cursor = graphene.String(required=True)


class RetargetMessageConnection(graphene.ObjectType):
    """A page of messages, newest first."""

    page_info = graphene.Field(RetargetPageInfo, required=True)
    edges = graphene.List(graphene.NonNull(RetargetMessageEdge), required=True)
    total_count = graphene.Int(required=True, description="On all pages. Counted only when asked for.")

    @staticmethod
    def resolve_total_count(root: Any, info: Any) -> int:
        """`total_count` is given as a function: counting a million rows is not for those who did not ask."""
        count: int = root.total_count()
        return count


def told(problem: Refusal | InputError, *, field: str | None = None) -> RetargetError:
    """`problem` in a payload. `field`: the input that a bad token came in."""
    if isinstance(problem, InputError):
        return RetargetError(field=None, message=str(problem), code=ErrorCode.INVALID)
    code = errors.code_of(problem)
    field = field if code is ErrorCode.BAD_TOKEN else None
    return RetargetError(field=field, message=errors.message_of(code), code=code)


def money(amount: Decimal, currency: str) -> RetargetMoney:
    """At least two decimals, more where the amount has more: 5 is "5.00", a text message may cost "0.00750".

    Raises InvalidOperation for a number of more than 28 digits, which could be written as megabytes of zeros.
    """
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent > -2:
        amount = amount.quantize(CENT)
    return RetargetMoney(amount=f"{amount:f}", currency=currency)
