"""What is stored about people, why, how long and who receives it: one entry a table, which export, erasure and purge obey.

Every column of every table stands here, and a test fails for one that does not. To add a table, add an entry to `TABLES`;
to add a column, name it under `person` when it says anything about somebody, and under `facts` when it does not.
"""

from __future__ import annotations

from .entries import OWNER, USE, Fate, Receiver, Table

PEOPLE = (
    Table(
        model="Contact",
        why="whom the shop may reach, how, in which language and at which hours",
        whose=("id",),
        arrived="created_at",
        erased=Fate.EMPTIED,
        receivers=(Receiver.MAIL, Receiver.SMS),
        person="email phone first_name last_name locale time_zone country postcode latitude longitude interests born_on"
        " preferences topics_off tags last_order_at",
        facts="id shop merged_into erased_at created_at",
    ),
    Table(
        model="Identity",
        why="which accounts of the shop are this person",
        whose=("contact",),
        arrived="created_at",
        erased=Fate.DELETED,
        person="external_id",
        facts="id shop contact is_own created_at",
    ),
    Table(
        model="Merge",
        why="which contacts turned out to be one person, so that it can be undone",
        whose=("target", "source"),
        jointly=True,
        erased=Fate.EMPTIED,
        person="moved values reason",
        facts="id shop source target by at undone_at undone_by",
        hidden="moved values reason",
    ),
    Table(
        model="Visitor",
        why="to recognize a browser that allowed it",
        whose=("contact",),
        arrived="first_seen_at",
        erased=Fate.DELETED,
        kept="visits",
        person="key known_by",
        facts="id shop contact known_since first_seen_at last_seen_at ended_at",
        hidden="key",
    ),
    Table(
        model="Claim",
        why="addresses that were typed and are not proven",
        whose=("visitor__contact",),
        erased=Fate.DELETED,
        kept="claims",
        person="address source",
        facts="id visitor channel at proven_at",
        typed={"address": "any"},
    ),
    Table(
        model="Event",
        why="what somebody looked at who allowed it, to write about what interests them",
        whose=("contact", "visitor__contact"),
        erased=Fate.DELETED,
        kept="events",
        person="name product topic path value currency data",
        facts="id shop visitor contact is_bot at",
    ),
    Table(
        model="Lead",
        why="what somebody asked for on a form, and what they ticked there",
        whose=("contact",),
        arrived="created_at",
        erased=Fate.DELETED,
        kept="leads",
        person="email phone first_name answers consents language page code",
        facts="id shop form magnet contact visitor created_at due_at confirmed_at downloaded_at revoked_at",
        typed={"email": "email", "phone": "phone"},
    ),
    Table(
        model="MagnetCode",
        why="which coupon a lead was given, so that each is given once",
        whose=("lead__contact",),
        arrived="given_at",
        kept=OWNER,
        facts="id magnet code lead given_at",
    ),
    Table(
        model="ProductSubscription",
        why="which product somebody wants to hear about",
        whose=("contact",),
        erased=Fate.DELETED,
        person="product kind price source email locale",
        facts="id shop contact is_proven at due_at notified_at",
        typed={"email": "email"},
    ),
)

CONSENT = (
    Table(
        model="ConsentRecord",
        why="proof of what was allowed or taken back, when and in which words (GDPR Art. 7)",
        whose=("contact", "visitor__contact"),
        erased=Fate.EMPTIED,
        person="wording source proof",
        facts="id shop contact visitor channel purpose state wording_version is_confirmed at",
    ),
    Table(
        model="Consent",
        why="what is allowed today",
        whose=("contact", "visitor__contact"),
        arrived="changed_at",
        erased=Fate.DELETED,
        person="state",
        facts="id contact visitor channel purpose record changed_at",
    ),
    Table(
        model="Suppression",
        why="which addresses must not be used again, by a keyed hash that names nobody without the key",
        facts="id shop channel key reason at",
        kept=OWNER,
    ),
    Table(
        model="Erasure",
        why="proof that somebody was erased, and how to erase them again in a restored backup; keyed hashes only",
        facts="id uuid shop contacts marks by removed at done_at",
        kept=OWNER,
    ),
    Table(
        model="ErasureRequest",
        why="to make processors forget whom the shop has forgotten",
        receivers=(Receiver.PROCESSORS,),
        kept=USE,
        person="person",
        facts="id erasure processor attempts_made due_at done_at detail",
    ),
    Table(
        model="Allowance",
        why="limits against abuse, by a keyed hash of who used how much",
        kept=USE,
        facts="id name subject uses turn ends_at",
    ),
)

SHOPPING = (
    Table(
        model="Cart",
        why="to remind somebody of what they left, and to bring it back",
        whose=("contact",),
        arrived="created_at",
        erased=Fate.EMPTIED,
        kept="carts",
        receivers=(Receiver.MAIL, Receiver.SMS),
        person="email phone external_id items",
        facts="id shop reference state stage touched_at created_at contact currency total told_at read_at held_since"
        " abandoned_at ordered_at restored_by",
        ties="contact",
        typed={"email": "email", "phone": "phone", "external_id": "account"},
    ),
    Table(
        model="Order",
        why="never to remind somebody of what they bought, and to know which message sold what",
        whose=("contact",),
        arrived="placed_at",
        erased=Fate.EMPTIED,
        kept="orders",
        person="number email phone items coupon_codes discounts told counted",
        facts="id shop reference contact cart currency total is_paid is_by_staff paid_at fulfilled_at touched_at"
        " told_at read_at read_again_at placed_at cancelled_at settled_at credited_message counted_at",
        ties="contact",
        typed={"email": "email", "phone": "phone"},
    ),
    Table(
        model="Customer",
        why="how often, how lately and for how much somebody buys, to write when it suits them",
        whose=("contact",),
        arrived="changed_at",
        erased=Fate.DELETED,
        kept="orders",
        person="orders spent first_order_at last_order_at median_gap_days",
        facts="id contact shop changed_at",
    ),
)

MESSAGES = (
    Table(
        model="FlowRun",
        why="where somebody stands in a flow",
        whose=("contact",),
        arrived="entered_at",
        erased=Fate.EMPTIED,
        kept="details",
        person="data happened",
        facts="id shop flow version contact cart subject state reason position taken experiment arm anchored_at marked_at"
        " reached_at entered_at due_at ended_at",
    ),
    Table(
        model="Watch",
        why="when to look whether somebody should enter a flow",
        whose=("contact",),
        arrived="noted_at",
        erased=Fate.DELETED,
        kept=USE,
        person="subject data",
        facts="id flow contact due_at noted_at",
    ),
    Table(
        model="Message",
        why="what is to be sent, and proof of what was",
        whose=("contact",),
        arrived="created_at",
        erased=Fate.EMPTIED,
        receivers=(Receiver.MAIL, Receiver.SMS),
        person="detail gateway_id context",
        facts="id shop run step contact kind template channel state reason due_at not_after leased_until fence"
        " attempts_made strikes key key_until may_be_double gateway segments cost cost_currency created_at sent_at"
        " delivered_at bounced_at complained_at opened_at clicked_at unsubscribed_at",
    ),
    Table(
        model="Coupon",
        why="which code somebody was given, so that each gets one and what it took off is known",
        whose=("contact",),
        arrived="created_at",
        erased=Fate.EMPTIED,
        kept="coupons",
        receivers=(Receiver.MAIL, Receiver.SMS),
        person="code",
        ties="order",
        facts="id shop contact message flow pool key kind value currency minimum cost state created_at expires_at"
        " redeemed_at withdrawn_at order",
    ),
    Table(
        model="MessageBody",
        why="what somebody was sent, to answer questions about it",
        whose=("message__contact",),
        arrived="message__created_at",
        erased=Fate.DELETED,
        kept="bodies",
        receivers=(Receiver.MAIL, Receiver.SMS),
        person="subject html text language",
        facts="id message",
    ),
    Table(
        model="WebhookCall",
        why="which other system was told that somebody came to a step of a flow",
        whose=("contact",),
        arrived="created_at",
        erased=Fate.DELETED,
        kept="details",
        receivers=(Receiver.WEBHOOK,),
        person="url detail",
        facts="id shop contact run step key attempts_made created_at due_at answered_at given_up_at",
    ),
    Table(
        model="Attempt",
        why="each call to a provider and what came of it",
        whose=("message__contact",),
        arrived="started_at",
        erased=Fate.EMPTIED,
        kept="details",
        person="code detail",
        ties="order",
        facts="id message fence consent basis order override gateway outcome started_at ended_at",
    ),
    Table(
        model="Decision",
        why="why something was sent or not",
        whose=("contact", "message__contact", "run__contact", "cart__contact"),
        erased=Fate.EMPTIED,
        kept="details",
        person="facts",
        facts="id shop contact cart run message flow_slug step code at",
    ),
    Table(
        model="Link",
        why="where the short links of a message lead",
        whose=("message__contact",),
        arrived="created_at",
        erased=Fate.DELETED,
        kept="links",
        receivers=(Receiver.PERSON,),
        person="destination topic",
        facts="id shop code message purpose is_measured created_at expires_at",
    ),
    Table(
        model="Click",
        why="which links were followed",
        whose=("link__message__contact",),
        erased=Fate.DELETED,
        kept="links",
        person="is_human",
        facts="id link at",
    ),
)


def _settings(model: str, why: str, columns: str, *, person: str = "", kept: str = OWNER) -> Table:
    return Table(model=model, why=why, kept=kept, person=person, facts=columns)


OWNERS = (
    _settings(
        "Shop",
        "what the owner decided",
        "id name host scope base_url currency locale time_zone country sender_name sender_email reply_to sms_gateway"
        " sms_sender postal_address support_email support_phone logo_url free_shipping_from delivery_days"
        " abandoned_after_minutes email_gap_hours email_per_week sms_gap_hours sms_per_week gap_minutes"
        " catch_up_per_minute sms_segments_per_month coupons_per_contact discount_per_contact"
        " email_from email_until sms_from sms_until sms_on_sundays"
        " sms_on_holidays blocked_countries minimum_age customers_told_since products_read_until"
        " attribution_days margin_percent is_paused email_is_paused sms_is_paused created_at",
    ),
    _settings("Flow", "what is sent when", "id shop slug name trigger topic stage state version"),
    _settings(
        "Experiment",
        "what share of a flow's people is held out, to see what happens without it",
        "id flow number key weights began_at read_at known_at",
    ),
    _settings(
        "FlowVersion", "what a flow says", "id flow number definition content published_at", person="published_by"
    ),
    _settings(
        "Override",
        "which legal rule the owner waived, why and on whose decision",
        "id shop country channel waiver reason made_at ended_at",
        person="made_by ended_by",
    ),
    _settings("Topic", "what messages are about", "id shop slug labels position"),
    _settings("Preference", "what people are asked", "id shop slug labels options takes_several is_active position"),
    _settings(
        "Store",
        "where the shop's own stores are",
        "id shop slug name street postcode city country latitude longitude phone hours note is_open_to_public",
    ),
    _settings("CouponPool", "codes that the owner made", "id shop name kind value minimum expires_at created_at"),
    _settings("CouponCode", "which of them are taken", "id shop pool code given_at"),
    _settings("Magnet", "what is given for an address", "id shop slug name kind topic texts options created_at"),
    _settings("MagnetFile", "the files of it", "id magnet file name size position"),
    _settings(
        "LeadForm",
        "where and how people are asked",
        "id shop slug name kind is_on magnet texts email phone first_name preferences consents wording_version"
        " is_bundled paths topic devices after_seconds scroll_percent on_exit every_days created_at",
    ),
    _settings(
        "Product",
        "what the shop sells, as far as messages need it",
        "id shop reference title url image_url category topic price currency is_available bought first_seen_at updated_at",
    ),
    _settings("ProductPair", "what is bought together, of nobody", "id shop product other weight"),
    _settings(
        "Quintiles",
        "where the shop's customers divide into fifths",
        "id shop customers recency frequency monetary is_stale made_at",
        kept=USE,
    ),
    _settings("DailyCount", "how much happened on a day, of nobody", "id shop day name people machines last_at"),
    _settings("Budget", "what a month of texts has cost", "id shop month segments"),
    _settings("Breaker", "which gateways work", "id name failures open_until detail changed_at", kept=USE),
    _settings("Throttle", "rates that all workers keep", "id name free_at", kept=USE),
    _settings(
        "Installation",
        "the stop button, and which database this is",
        "number uuid fingerprint heartbeat_at halted_at halted_because lost_from lost_until",
        person="halted_by",
        kept=USE,
    ),
)

SALEOR = (
    _settings(
        "SaleorApp",
        "where the app is installed, and the key to it",
        "id host api_url app_id token jwks keys_asked_at is_active changed_at paused caught_up_at",
    ),
    _settings(
        "SaleorEvent", "which events were taken in, so that each counts once", "id app digest issued_at", kept=USE
    ),
)

TABLES: tuple[Table, ...] = (*PEOPLE, *CONSENT, *SHOPPING, *MESSAGES, *OWNERS, *SALEOR)
