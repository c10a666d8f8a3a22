"""What a spam filter, a phone or a tired reader would stumble over in a message: told to its author, refused to nobody."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from . import sms

#: Characters of a subject that a mail program shows before it cuts.
SUBJECT_LIMIT = 60
#: From so many letters on, this share of capitals is shouting.
SHORT_WORD, SHOUTING = 8, 0.5
#: Different addresses in one mail.
LINKS_LIMIT = 20
#: Bytes of HTML: a large provider cuts a mail at 102 kB, and takes its footer and the way to unsubscribe with it.
HTML_LIMIT = 100_000
SEGMENTS_WANTED = 1

_URL = re.compile(r"https?://[^\s<>\"']+")


def _(text: str) -> str:
    """Marks `text` for translators; whoever shows it translates it."""
    return text


@dataclass(frozen=True)
class Finding:
    """One thing to mend. `words` are English, with `facts` to be put in; `where` names message, language and part."""

    words: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    where: str = ""

    def __str__(self) -> str:
        return self.told(self.words)

    def told(self, words: str) -> str:
        """The finding in `words`, those of a translator."""
        said = words % self.facts
        return f"{self.where}: {said}" if self.where else said


def mail(subject: str, html: str, text: str, *, own: Collection[str], needs_unsubscribe: str = "") -> list[Finding]:
    """What to mend in a mail as its reader gets it. `own`: hosts that its links may lead to.

    `needs_unsubscribe`: the address that must stand in both parts; empty for a service message.
    """
    return [
        *_of_subject(subject),
        *_of_links(html, text, own),
        *_of_pictures(html),
        *_of_size(html),
        *_of_text(text, needs_unsubscribe, html),
    ]


def text(said: str, *, own: Collection[str]) -> list[Finding]:
    """What to mend in a text message as its reader gets it."""
    measured = sms.measure(said)
    found = []
    if measured.encoding is sms.Encoding.UCS2:
        strange = "".join(dict.fromkeys(character for character in said if not _is_plain(character)))
        found.append(Finding(_("%(letters)s make every character cost more than twice as much."), {"letters": strange}))
    if measured.segments > SEGMENTS_WANTED:
        facts = {"segments": measured.segments, "units": measured.units}
        found.append(Finding(_("It is paid for as %(segments)d messages (%(units)d characters)."), facts))
    if _is_shouting(said):
        found.append(Finding(_("It shouts: more than half of it is in capitals.")))
    return found + [_strange(host) for host in _strangers(_URL.findall(said), own)]


def hosts(*addresses: str) -> frozenset[str]:
    """The hosts of `addresses`, as `own` takes them."""
    return frozenset(host for address in addresses if (host := _host(address)))


def _of_subject(subject: str) -> Iterator[Finding]:
    if len(subject) > SUBJECT_LIMIT:
        facts = {"length": len(subject), "limit": SUBJECT_LIMIT}
        yield Finding(_("The subject has %(length)d characters; most readers see the first %(limit)d."), facts)
    if _is_shouting(subject):
        yield Finding(_("The subject shouts: more than half of it is in capitals."))
    if subject.count("!") > 1:
        yield Finding(_("The subject has more than one exclamation mark."))


def _of_links(html: str, text: str, own: Collection[str]) -> Iterator[Finding]:
    page = _Page(html)
    addresses = [*page.links, *_URL.findall(text)]
    count = len({address for address in addresses if address.startswith("http")})
    if count > LINKS_LIMIT:
        yield Finding(
            _("It has %(count)d links; more than %(limit)d look like spam."), {"count": count, "limit": LINKS_LIMIT}
        )
    for host in _strangers(addresses, own):
        yield _strange(host)


def _of_pictures(html: str) -> Iterator[Finding]:
    for source in _Page(html).nameless:
        yield Finding(_("A picture says nothing to who cannot see it (%(source)s)."), {"source": source[:80]})


def _of_size(html: str) -> Iterator[Finding]:
    size = len(html.encode())
    if size > HTML_LIMIT:
        facts = {"size": size // 1_000, "limit": HTML_LIMIT // 1_000}
        yield Finding(_("It has %(size)d kB; from %(limit)d kB on, mail programs cut off its end."), facts)


def _of_text(text: str, unsubscribe: str, html: str) -> Iterator[Finding]:
    if not text.strip():
        yield Finding(_("It has no text part."))
    if unsubscribe and not (unsubscribe in text and unsubscribe in html.replace("&amp;", "&")):
        yield Finding(_("It does not say how to unsubscribe."))


def _strangers(addresses: Sequence[str], own: Collection[str]) -> list[str]:
    """The hosts among `addresses` that are none of `own`, nor below one."""
    found = {host for address in addresses if (host := _host(address))}
    return sorted(host for host in found if not any(host == mine or host.endswith(f".{mine}") for mine in own))


def _strange(host: str) -> Finding:
    return Finding(_("A link leads to %(host)s, which is not the shop's own."), {"host": host})


def _host(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "") if address.startswith("http") else ""
    except ValueError:
        return ""


def _is_shouting(said: str) -> bool:
    letters = [character for character in _URL.sub("", said) if character.isalpha()]
    return len(letters) >= SHORT_WORD and sum(map(str.isupper, letters)) > len(letters) * SHOUTING


def _is_plain(character: str) -> bool:
    return sms.measure(character).encoding is sms.Encoding.GSM7


class _Page(HTMLParser):
    """Where the links of a page lead, and the sources of its pictures without words."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.nameless: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag == "img" and not (given.get("alt") or "").strip():
            self.nameless.append(str(given.get("src") or ""))
