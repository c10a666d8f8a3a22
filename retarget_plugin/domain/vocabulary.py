"""The words every room speaks. Values are stored in the database and shown by the API: never rename one."""

from __future__ import annotations

from enum import StrEnum


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class Purpose(StrEnum):
    """What a grant allows. Each is asked for, given and withdrawn on its own."""

    MARKETING = "marketing"
    TRACKING = "tracking"
    ADS = "ads"
    MEASUREMENT = "measurement"
    PROFILING = "profiling"
    ALERTS = "alerts"


class ConsentState(StrEnum):
    PENDING = "pending"
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class LegalBasis(StrEnum):
    """On what a message relies. SERVICE: the person has just asked for this very message; OPT_OUT: the owner's override."""

    CONSENT = "consent"
    SALE = "sale"
    NEGOTIATION = "negotiation"
    OPT_OUT = "opt_out"
    SERVICE = "service"
    NONE = "none"


class Waiver(StrEnum):
    """What a shop's owner may decide against a country's rule, in a logged override."""

    UNCONFIRMED = "unconfirmed"
    AFTER_SALE = "after_sale"
    AFTER_NEGOTIATION = "after_negotiation"
    OPT_OUT = "opt_out"


class SuppressionReason(StrEnum):
    UNENGAGED = "unengaged"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    STOPPED = "stopped"
    ERASED = "erased"


class ProductNews(StrEnum):
    """What somebody asked to be told about one product."""

    BACK_IN_STOCK = "back_in_stock"
    PRICE_DROP = "price_drop"


class Stage(StrEnum):
    """The intent ladder, lowest first. A higher stage pauses the flows of a lower one."""

    WINBACK = "winback"
    SITE = "site"
    PRODUCT = "product"
    CART = "cart"
    CHECKOUT = "checkout"
    PAYMENT = "payment"


class CartState(StrEnum):
    ACTIVE = "active"
    ABANDONED = "abandoned"
    ORDERED = "ordered"
    CLOSED = "closed"


class Trigger(StrEnum):
    """What lets somebody into a flow."""

    CART_ABANDONED = "cart_abandoned"
    CHECKOUT_ABANDONED = "checkout_abandoned"
    PRODUCT_VIEWED = "product_viewed"
    SITE_LEFT = "site_left"
    FORM_CONFIRMED = "form_confirmed"
    MAGNET_DOWNLOADED = "magnet_downloaded"
    ORDER_PLACED = "order_placed"
    ORDER_PAID = "order_paid"
    ORDER_FULFILLED = "order_fulfilled"
    ORDER_UNPAID = "order_unpaid"
    NO_ORDER = "no_order"
    NO_VISIT = "no_visit"
    UNENGAGED = "unengaged"
    BACK_IN_STOCK = "back_in_stock"
    PRICE_DROP = "price_drop"
    SEGMENT_ENTERED = "segment_entered"
    INTEREST_SHOWN = "interest_shown"
    CUSTOM_EVENT = "custom_event"


class Exit(StrEnum):
    """What ends a run early, besides withdrawal, bounce, complaint, erasure, and its subject being gone."""

    ORDER = "order"
    ORDER_IN_TOPIC = "order_in_topic"
    ADD_TO_CART = "add_to_cart"
    VISIT = "visit"
    CLICK = "click"
    PAID = "paid"
    CANCELLED = "cancelled"
    KEEP = "keep"


class FlowState(StrEnum):
    OFF = "off"
    ON = "on"
    PAUSED = "paused"


class RunState(StrEnum):
    ACTIVE = "active"
    FINISHED = "finished"
    EXITED = "exited"


class MessageKind(StrEnum):
    """Marketing needs a legal basis. A service message answers what somebody has just asked for, and sells nothing."""

    MARKETING = "marketing"
    SERVICE = "service"


class MessageState(StrEnum):
    """scheduled -> claimed -> attempting -> accepted | rejected | unknown; or cancelled, expired, parked, quarantined."""

    SCHEDULED = "scheduled"
    CLAIMED = "claimed"
    ATTEMPTING = "attempting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    PARKED = "parked"
    QUARANTINED = "quarantined"


class Halt(StrEnum):
    """Why an installation sends nothing at all until somebody says so."""

    STOP_BUTTON = "stop_button"
    RESTORED = "restored"


class OutcomeKind(StrEnum):
    """What one attempt to hand a message to a provider came to."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    OPTED_OUT = "opted_out"
    TRANSIENT = "transient"
    RATE_LIMITED = "rate_limited"
    NO_CREDIT = "no_credit"
    MISCONFIGURED = "misconfigured"
    UNKNOWN = "unknown"


class DeliveryKind(StrEnum):
    """What a provider reports after it accepted a message."""

    SENT = "sent"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    FAILED = "failed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"


class Reason(StrEnum):
    """Why a step did or did not send: the code of every Decision."""

    ENTERED = "entered"
    QUEUED = "queued"
    SENT = "sent"
    RETRYING = "retrying"
    STEP_SKIPPED = "step_skipped"
    BRANCHED = "branched"
    SPLIT = "split"
    WAITED = "waited"
    TAGGED = "tagged"
    CALLED_OUT = "called_out"
    SHOP_NOTIFIED = "shop_notified"
    CHANNEL_ENDED = "channel_ended"
    MOVED = "moved"
    FINISHED = "finished"

    NO_IDENTITY = "no_identity"
    NO_ADDRESS = "no_address"
    NO_CONSENT = "no_consent"
    CONSENT_PENDING = "consent_pending"
    SUPPRESSED = "suppressed"
    COUNTRY_BLOCKED = "country_blocked"
    UNDER_AGE = "under_age"
    TOPIC_OFF = "topic_off"
    ERASED = "erased"
    MERGED = "merged"
    ORDERED = "ordered"
    SUBJECT_GONE = "subject_gone"
    SUBJECT_EMPTY = "subject_empty"
    SUBJECT_FROZEN = "subject_frozen"
    SUBJECT_REASSIGNED = "subject_reassigned"
    SUBJECT_UNREADABLE = "subject_unreadable"
    ACTIVE_AGAIN = "active_again"
    HIGHER_INTENT = "higher_intent"
    RECENTLY_ENTERED = "recently_entered"
    COOLDOWN = "cooldown"
    EXCLUSIVE = "exclusive"
    EXITED_ON = "exited_on"
    REPUBLISHED = "republished"
    NO_COUPON = "no_coupon"
    NOT_RECOMMENDED = "not_recommended"
    HOLDOUT = "holdout"
    FREQUENCY_CAP = "frequency_cap"
    QUIET_HOURS = "quiet_hours"
    DEADLINE_PASSED = "deadline_passed"
    FLOW_OFF = "flow_off"
    SHOP_PAUSED = "shop_paused"
    CHANNEL_PAUSED = "channel_paused"
    HALTED = "halted"
    NOT_LIVE = "not_live"
    BUDGET = "budget"
    RESTORED = "restored"
    STEP_GONE = "step_gone"
    TEMPLATE_ERROR = "template_error"
    BROKEN = "broken"
    WORKER_DIED = "worker_died"
    NO_GATEWAY = "no_gateway"
    REJECTED = "rejected"
    OUTCOME_UNKNOWN = "outcome_unknown"
    STOPPED_BY_STAFF = "stopped_by_staff"
