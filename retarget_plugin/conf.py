"""One table of typed defaults, read lazily from `settings.RETARGET`. No other room reads that setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings as django_settings

from .exceptions import ConfigurationError


class Settings:
    """`conf.settings.NAME`: the shop's value, else the default below. One row is one setting: name, type, default, meaning."""

    #: Shop systems by alias: {"BACKEND": dotted path, "OPTIONS": {...}}.
    HOSTS: dict[str, dict[str, Any]] = {}
    #: SMS gateways by alias, in the same form, and "STOP": the words to say no by ("STOP au 36111"), empty where the
    #: gateway adds them; "RATE": texts a second; "FALLBACK": the alias that stands in while this one fails;
    #: "RETRY_UNKNOWN": True to try again where the outcome is unknown, at the price of doubles; "HELP": False where the
    #: gateway answers HELP by itself.
    SMS: dict[str, dict[str, Any]] = {"default": {"BACKEND": "retarget_plugin.channels.sms.console.ConsoleGateway"}}
    #: A MAILERS alias or a mail backend's dotted path; empty: the project's own default.
    MAILER: str = ""
    #: Origin of this site, such as https://shop.example; every link in a message starts with it.
    PUBLIC_URL: str = ""
    #: Origin for short links when the shop owns a shorter domain; empty: PUBLIC_URL.
    SHORT_URL: str = ""
    #: "tick": `manage.py retarget_tick --loop`. "celery": beat rings, workers share the work.
    RUNNER: str = "tick"
    #: Origins a storefront may call the API from.
    ALLOWED_ORIGINS: tuple[str, ...] = ()
    #: Proxies of your own in front of Django, each of which appends to X-Forwarded-For. 0: the header is not believed.
    TRUSTED_PROXY_COUNT: int = 0
    #: SMS gateway alias -> secret in its receipts URL; a list of them while it is being changed.
    WEBHOOK_SECRETS: dict[str, str | list[str]] = {}
    #: By which what flows tell other systems is signed; "whsec_" and base64, or any long text. Empty: nobody is told.
    WEBHOOK_SECRET: str = ""
    #: Bearer token for the health page; empty: the page answers 404.
    HEALTH_TOKEN: str = ""

    #: Kinds of lead magnets of your own: name -> dotted path of a `domain.magnets.Kind`.
    MAGNETS: dict[str, str] = {}
    #: Which of the project's STORAGES keeps magnets' files. One that no web server hands out by itself is best.
    MAGNET_STORAGE: str = "default"
    #: Megabytes a magnet's file may have.
    MAGNET_MAX_MB: int = 50
    #: Submissions of lead forms that one range of addresses may send within an hour.
    FORMS_PER_HOUR: int = 30

    #: Seconds a worker may hold a claimed message before another takes it over.
    LEASE_SECONDS: int = 120
    #: Rows taken in one claim.
    BATCH_SIZE: int = 200
    #: Tries before a message that keeps failing definitely is given up.
    MAX_ATTEMPTS: int = 8
    #: Hosts in a network of your own that gateways, mail APIs and Saleor may be called at: names, addresses or networks
    #: such as 10.1.0.0/16. At any other address that is not public nobody is called. A name is trusted with all it resolves
    #: to.
    PRIVATE_HOSTS: tuple[str, ...] = ()
    #: Whether real messages leave while DEBUG is on. Harmless backends (console, memory, files) always may.
    SEND_IN_DEBUG: bool = False
    #: E-mails a second, all workers together; 0: as fast as it goes. An SMS gateway's "RATE" stands in its own entry.
    EMAIL_RATE: float = 0.0
    #: Whether an e-mail whose outcome is unknown is tried again: some people then get it twice. An SMS gateway's
    #: "RETRY_UNKNOWN" stands in its own entry.
    EMAIL_RETRY_UNKNOWN: bool = False
    #: Failures in a row after which a gateway is left alone but for a probe now and then.
    BREAKER_FAILURES: int = 5
    #: Seconds between two probes of a gateway that is left alone.
    BREAKER_SECONDS: float = 10.0
    #: Local file that remembers how far this installation has come, so that a database restored from a backup is noticed;
    #: empty: only what the database itself shows.
    HEARTBEAT_FILE: str = ""
    #: Further words by which a text to the shop ends its texts; those of English, French, Spanish, German and Italian do.
    SMS_STOP_WORDS: tuple[str, ...] = ()
    #: Address whose mail comes in by anymail's inbound webhook, such as unsubscribe@in.shop.example: each e-mail's
    #: List-Unsubscribe then names an address of its own there, beside the link. Empty: the link alone.
    UNSUBSCRIBE_MAILBOX: str = ""
    #: Days a recovery link works.
    RECOVERY_DAYS: int = 30
    #: Days the link works by which somebody confirms that an address is theirs; 7 at the most.
    CONFIRM_DAYS: int = 7
    #: Days the download links of a lead magnet work.
    DOWNLOAD_DAYS: int = 30
    #: Days a link to one's own choices works.
    PREFERENCES_DAYS: int = 60
    #: Days a link to a store's page works.
    STORE_DAYS: int = 30
    #: Days a link to one's own data works.
    EXPORT_DAYS: int = 2
    #: Texts an hour, all shops together, by which numbers are asked to confirm: what a misused form may cost.
    OPTIN_SMS_PER_HOUR: int = 60
    #: Kind of data -> days it is kept; a kind that is not named keeps its default (`retarget_inventory` prints them).
    RETENTION: dict[str, int] = {}
    #: Systems that must forget whom the shop forgets, by alias: {"BACKEND": dotted path, "OPTIONS": {...}}.
    PROCESSORS: dict[str, dict[str, Any]] = {}
    #: Days an unsubscribe page opens; the unsubscribe POST never expires.
    UNSUBSCRIBE_PAGE_DAYS: int = 60
    #: Name of the cookie that recognises a browser which allowed it.
    VISITOR_COOKIE: str = "retarget_visitor"
    #: Days that cookie lasts after the last visit.
    VISITOR_DAYS: int = 390
    #: Dotted path of a `retarget_plugin.domain.partners.Partner`; empty: nobody but the shop's own contacts is matched.
    PARTNER: str = ""
    #: Milliseconds the plugin may wait for its own tables in a shop's request.
    CAPTURE_LOCK_MS: int = 150
    #: Seconds between two ticks under Celery.
    TICK_SECONDS: float = 15.0
    #: Rings a tick under Celery: so many workers share what is due.
    TICK_RINGS: int = 2
    #: Seconds between two passes that look for lost events.
    RECONCILE_SECONDS: float = 300.0
    #: Days back that the reconcile pass looks for carts and orders whose events were lost.
    RECONCILE_DAYS: int = 2
    #: Storefront events a minute that are taken of one visitor.
    EVENTS_PER_VISITOR: int = 300
    #: Storefront events a minute that are taken from one network address (IPv6: from one /64).
    EVENTS_PER_ADDRESS: int = 3_000
    #: New visitors an hour that are met from one network address.
    VISITORS_PER_ADDRESS: int = 300
    #: GraphQL: bytes of a request body.
    GRAPHQL_MAX_BYTES: int = 20_000
    #: GraphQL: tokens of a document.
    GRAPHQL_MAX_TOKENS: int = 1_000
    #: GraphQL: levels of nesting, fragments included.
    GRAPHQL_MAX_DEPTH: int = 8
    #: GraphQL: aliases in a document.
    GRAPHQL_MAX_ALIASES: int = 15
    #: GraphQL: fields at the root.
    GRAPHQL_MAX_ROOT_FIELDS: int = 10
    #: Dotted path of what names the shop's latest posts: `posts(shop, *, limit, language)` answers a list of
    #: `retarget_plugin.domain.subjects.Post`, newest first; empty: the shop's host is asked.
    POSTS: str = ""
    #: Whether a part of each flow's people is held out, which shows what the flow causes. False where every message is to
    #: be seen, such as in a rehearsal.
    HOLDOUT: bool = True
    #: Tests only: dotted path of a callable that is told each named stop of `retarget_plugin.failpoints`.
    FAILPOINTS: str = ""
    #: GraphQL: estimated cost after fragments are expanded, a row of a list being 1 a field.
    GRAPHQL_MAX_COST: int = 1_000

    def __getattribute__(self, name: str) -> Any:
        if not name.isupper():
            return super().__getattribute__(name)
        given = user_settings()
        return given[name] if name in given else super().__getattribute__(name)

    def __iter__(self) -> Iterator[tuple[str, type, Any]]:
        """(name, type, default) of every setting, in the order of this file."""
        for name in type(self).__annotations__:
            default = getattr(type(self), name)
            yield name, type(default), default


def user_settings() -> Mapping[str, Any]:
    """The shop's `RETARGET` as written. Raises ConfigurationError when it is no dict."""
    given = getattr(django_settings, "RETARGET", {})
    if not isinstance(given, Mapping):
        raise ConfigurationError("RETARGET must be a dict, such as RETARGET = {'HOSTS': {...}}.")
    return given


settings = Settings()
