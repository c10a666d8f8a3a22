"""Labels of the vocabulary, as callables: a new member makes no migration."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from retarget_plugin.domain.coupons import CouponKind, CouponState
from retarget_plugin.domain.leads import Ask, Devices, FormKind
from retarget_plugin.domain.vocabulary import (
    CartState,
    Channel,
    ConsentState,
    FlowState,
    Halt,
    LegalBasis,
    MessageKind,
    MessageState,
    ProductNews,
    Purpose,
    Reason,
    RunState,
    Stage,
    SuppressionReason,
    Waiver,
)

Choices = list[tuple[str, str | Promise]]

CHANNELS: Choices = [(Channel.EMAIL, _("E-mail")), (Channel.SMS, _("SMS"))]
PURPOSES: Choices = [
    (Purpose.MARKETING, _("Marketing")),
    (Purpose.TRACKING, _("Tracking")),
    (Purpose.ADS, _("Sharing with advertising platforms")),
    (Purpose.MEASUREMENT, _("Individual measurement of opens and clicks")),
    (Purpose.PROFILING, _("Profiles of what somebody likes")),
    (Purpose.ALERTS, _("News of a product somebody asked about")),
]
CONSENT_STATES: Choices = [
    (ConsentState.PENDING, _("Waiting for confirmation")),
    (ConsentState.GRANTED, _("Granted")),
    (ConsentState.WITHDRAWN, _("Withdrawn")),
]
LEGAL_BASES: Choices = [
    (LegalBasis.CONSENT, _("Consent")),
    (LegalBasis.SALE, _("Customer: bought similar goods")),
    (LegalBasis.NEGOTIATION, _("Was about to buy similar goods")),
    (LegalBasis.OPT_OUT, _("The owner's decision: nobody need be asked")),
    (LegalBasis.SERVICE, _("The person asked for this very message")),
    (LegalBasis.NONE, _("None")),
]
WAIVERS: Choices = [
    (Waiver.UNCONFIRMED, _("A yes counts without being confirmed from the address itself")),
    (Waiver.AFTER_SALE, _("Customers may be written to about similar goods")),
    (Waiver.AFTER_NEGOTIATION, _("People who left a cart may be written to about it, without a sale")),
    (Waiver.OPT_OUT, _("Nobody need be asked; whoever says no is left alone")),
]
SUPPRESSION_REASONS: Choices = [
    (SuppressionReason.UNENGAGED, _("No sign of life for long")),
    (SuppressionReason.BOUNCED, _("Address bounced")),
    (SuppressionReason.COMPLAINED, _("Marked as spam")),
    (SuppressionReason.UNSUBSCRIBED, _("Unsubscribed")),
    (SuppressionReason.STOPPED, _("Answered STOP")),
    (SuppressionReason.ERASED, _("Erased on request")),
]
PRODUCT_NEWS: Choices = [
    (ProductNews.BACK_IN_STOCK, _("Back in stock")),
    (ProductNews.PRICE_DROP, _("Price drop")),
]
STAGES: Choices = [
    (Stage.WINBACK, _("Win-back")),
    (Stage.SITE, _("Site")),
    (Stage.PRODUCT, _("Product")),
    (Stage.CART, _("Cart")),
    (Stage.CHECKOUT, _("Checkout")),
    (Stage.PAYMENT, _("Payment")),
]
CART_STATES: Choices = [
    (CartState.ACTIVE, _("Active")),
    (CartState.ABANDONED, _("Abandoned")),
    (CartState.ORDERED, _("Ordered")),
    (CartState.CLOSED, _("Closed")),
]
FLOW_STATES: Choices = [(FlowState.OFF, _("Off")), (FlowState.ON, _("On")), (FlowState.PAUSED, _("Paused"))]
RUN_STATES: Choices = [
    (RunState.ACTIVE, _("Active")),
    (RunState.FINISHED, _("Finished")),
    (RunState.EXITED, _("Left early")),
]
MESSAGE_KINDS: Choices = [(MessageKind.MARKETING, _("Marketing")), (MessageKind.SERVICE, _("Service"))]
MESSAGE_STATES: Choices = [
    (MessageState.SCHEDULED, _("Scheduled")),
    (MessageState.CLAIMED, _("Claimed by a worker")),
    (MessageState.ATTEMPTING, _("Being handed over")),
    (MessageState.ACCEPTED, _("Accepted")),
    (MessageState.REJECTED, _("Rejected")),
    (MessageState.CANCELLED, _("Cancelled")),
    (MessageState.EXPIRED, _("Expired")),
    (MessageState.UNKNOWN, _("Outcome unknown")),
    (MessageState.PARKED, _("Parked: template error")),
    (MessageState.QUARANTINED, _("Quarantined")),
]
HALTS: Choices = [
    (Halt.STOP_BUTTON, _("Somebody stopped it")),
    (Halt.RESTORED, _("The database is a restored backup or a copy")),
]
REASONS: Choices = [
    (Reason.ENTERED, _("Entered the flow")),
    (Reason.QUEUED, _("Message scheduled")),
    (Reason.SENT, _("Handed to the provider")),
    (Reason.RETRYING, _("The provider did not take it; it is tried again")),
    (Reason.STEP_SKIPPED, _("Step skipped")),
    (Reason.BRANCHED, _("A branch was taken")),
    (Reason.SPLIT, _("Drawn into one path of several")),
    (Reason.WAITED, _("A wait ended")),
    (Reason.TAGGED, _("Tags were changed")),
    (Reason.CALLED_OUT, _("Another system was told")),
    (Reason.SHOP_NOTIFIED, _("The shop was told")),
    (Reason.CHANNEL_ENDED, _("This channel is not used for the person any more")),
    (Reason.MOVED, _("Moved to the flow's new version")),
    (Reason.FINISHED, _("Flow finished")),
    (Reason.NO_IDENTITY, _("Nobody is known for this cart")),
    (Reason.NO_ADDRESS, _("No address for this channel")),
    (Reason.NO_CONSENT, _("No consent for this channel")),
    (Reason.CONSENT_PENDING, _("Consent is not confirmed yet")),
    (Reason.SUPPRESSED, _("The address is suppressed")),
    (Reason.COUNTRY_BLOCKED, _("The shop does not write to this country")),
    (Reason.UNDER_AGE, _("Not known to be old enough")),
    (Reason.TOPIC_OFF, _("The person turned this topic off")),
    (Reason.ERASED, _("The person was erased")),
    (Reason.MERGED, _("The contact was merged into another")),
    (Reason.ORDERED, _("An order was placed")),
    (Reason.SUBJECT_GONE, _("The cart no longer exists")),
    (Reason.SUBJECT_EMPTY, _("The cart was emptied")),
    (Reason.SUBJECT_FROZEN, _("The cart is in payment")),
    (Reason.SUBJECT_REASSIGNED, _("The cart belongs to somebody else now")),
    (Reason.SUBJECT_UNREADABLE, _("The shop could not say what is in the cart")),
    (Reason.ACTIVE_AGAIN, _("The shopper is active again")),
    (Reason.HIGHER_INTENT, _("A flow of higher intent took over")),
    (Reason.RECENTLY_ENTERED, _("Entered this flow too recently")),
    (Reason.COOLDOWN, _("Ordered too recently for this flow")),
    (Reason.EXCLUSIVE, _("Inside a flow that goes with no other")),
    (Reason.EXITED_ON, _("Did what this flow waits for")),
    (Reason.REPUBLISHED, _("The flow was published anew without the people inside")),
    (Reason.NO_COUPON, _("The shop made no coupon")),
    (Reason.NOT_RECOMMENDED, _("Nothing fits to recommend")),
    (Reason.HOLDOUT, _("Held out: what happens without a message is measured")),
    (Reason.FREQUENCY_CAP, _("Enough messages for now")),
    (Reason.QUIET_HOURS, _("Outside the allowed hours")),
    (Reason.DEADLINE_PASSED, _("Too late to be useful")),
    (Reason.FLOW_OFF, _("The flow is off or paused")),
    (Reason.SHOP_PAUSED, _("The shop is paused")),
    (Reason.CHANNEL_PAUSED, _("The shop has paused this channel")),
    (Reason.HALTED, _("All sending is stopped")),
    (Reason.NOT_LIVE, _("This is a development copy: real messages stay here")),
    (Reason.BUDGET, _("This month's budget is used up")),
    (Reason.RESTORED, _("A backup was restored; it may have been sent before")),
    (Reason.STEP_GONE, _("The step no longer exists")),
    (Reason.TEMPLATE_ERROR, _("The message has a template error")),
    (Reason.BROKEN, _("An unexpected error stopped it")),
    (Reason.WORKER_DIED, _("Workers ended while they prepared it")),
    (Reason.NO_GATEWAY, _("No gateway is configured")),
    (Reason.REJECTED, _("The provider rejected it")),
    (Reason.OUTCOME_UNKNOWN, _("The provider's answer was lost")),
    (Reason.STOPPED_BY_STAFF, _("Stopped by staff")),
]

COUPON_KINDS: Choices = [(CouponKind.PERCENT, _("Percent")), (CouponKind.AMOUNT, _("Amount of money"))]
COUPON_STATES: Choices = [
    (CouponState.RESERVED, _("Being made")),
    (CouponState.MINTED, _("Made")),
    (CouponState.SENT, _("Sent")),
    (CouponState.REDEEMED, _("Redeemed")),
    (CouponState.EXPIRED, _("Ended unused")),
    (CouponState.TAKEN_BACK, _("Taken back")),
]
FORM_KINDS: Choices = [
    (FormKind.POPUP, _("Pop-up")),
    (FormKind.BAR, _("Bar")),
    (FormKind.INLINE, _("Block in the page")),
    (FormKind.UPGRADE, _("Block within an article")),
]
ASKS: Choices = [(Ask.NO, _("Not asked")), (Ask.OPTIONAL, _("May be left empty")), (Ask.REQUIRED, _("Required"))]
DEVICES: Choices = [
    (Devices.ALL, _("All devices")),
    (Devices.PHONE, _("Phones")),
    (Devices.DESKTOP, _("Computers and tablets")),
]


def _callable(choices: Choices, name: str) -> Callable[[], Choices]:
    def answer() -> Choices:
        return choices

    answer.__name__ = answer.__qualname__ = name
    return answer


channels = _callable(CHANNELS, "channels")
purposes = _callable(PURPOSES, "purposes")
consent_states = _callable(CONSENT_STATES, "consent_states")
legal_bases = _callable(LEGAL_BASES, "legal_bases")
waivers = _callable(WAIVERS, "waivers")
suppression_reasons = _callable(SUPPRESSION_REASONS, "suppression_reasons")
product_news = _callable(PRODUCT_NEWS, "product_news")
stages = _callable(STAGES, "stages")
cart_states = _callable(CART_STATES, "cart_states")
flow_states = _callable(FLOW_STATES, "flow_states")
run_states = _callable(RUN_STATES, "run_states")
message_kinds = _callable(MESSAGE_KINDS, "message_kinds")
message_states = _callable(MESSAGE_STATES, "message_states")
halts = _callable(HALTS, "halts")
coupon_kinds = _callable(COUPON_KINDS, "coupon_kinds")
coupon_states = _callable(COUPON_STATES, "coupon_states")
form_kinds = _callable(FORM_KINDS, "form_kinds")
asks = _callable(ASKS, "asks")
devices = _callable(DEVICES, "devices")
reasons = _callable(REASONS, "reasons")
