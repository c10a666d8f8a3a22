"""The message as Django mail knows it: text and HTML, our headers, and lines that must not be folded."""

from __future__ import annotations

import re
from email.header import Header
from email.headerregistry import AddressHeader, HeaderRegistry, UnstructuredHeader
from email.policy import EmailPolicy
from typing import Any
from urllib.parse import quote

from django.core.mail import EmailMultiAlternatives

from retarget_plugin.domain.messages import OutgoingEmail

#: Octets of a line (RFC 5322, section 2.1.1).
LONGEST_LINE = 998
_UNSUBSCRIBE = "List-Unsubscribe"
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")


class Letter(EmailMultiAlternatives):
    """An e-mail whose header lines every mailbox provider reads as they were meant, whatever its Django and Python.

    List-Unsubscribe stays one plain line, however long its URL is: the modern e-mail policy (Django 6 and later) writes
    a long word as encoded-words (RFC 2047), which no provider decodes there, and the older policy folds before the word.
    """

    def message(self, **options: Any) -> Any:
        message = super().message(**options)
        if isinstance(message.policy, EmailPolicy):
            message.policy = message.policy.clone(header_factory=_REGISTRY)
            for name in _FOLDED_HERE.keys() & message.keys():
                message.replace_header(name, str(message[name]))
        elif message[_UNSUBSCRIBE] is not None:
            message.replace_header(_UNSUBSCRIBE, _OneLineHeader(str(message[_UNSUBSCRIBE])))
        return message


class _OneLine(UnstructuredHeader):
    """For the modern policy. `headers.problem` has seen to it that the value is ASCII and short enough."""

    name: str

    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: {self}{policy.linesep}"


class _Text(UnstructuredHeader):
    """For the modern policy, written as the older one does.

    Python 3.12.5 to 3.13.12 add spaces and glue encoded-words together, and a provider refuses those (gh-144156).
    """

    name: str

    def fold(self, *, policy: Any) -> str:
        return f"{self.name}: {_words(str(self), header=self.name, policy=policy)}{policy.linesep}"


class _Sender(AddressHeader):
    """As `_Text`; and where a long name is folded, it keeps the quotes without which it becomes addresses."""

    name: str

    def fold(self, *, policy: Any) -> str:
        (address,) = self.addresses
        if address.display_name.isascii():
            return f"{self.name}: {address}{policy.linesep}"
        name = _words(address.display_name, header=self.name, policy=policy)
        return f"{self.name}: {name} <{address.addr_spec}>{policy.linesep}"


def _words(text: str, *, header: str, policy: Any) -> str:
    """`text` as it stands, or as encoded-words in UTF-8 when it is not ASCII."""
    return Header(text, header_name=header).encode(linesep=policy.linesep)


_FOLDED_HERE = {"From": _Sender, "Subject": _Text, _UNSUBSCRIBE: _OneLine}
_REGISTRY = HeaderRegistry()
for _name, _kind in _FOLDED_HERE.items():
    _REGISTRY.map_to_type(_name, _kind)  # type: ignore[arg-type]


class _OneLineHeader(Header):
    """For the policy of Python 3.2, which Django 5.2 uses."""

    def __init__(self, value: str) -> None:
        super().__init__(value, maxlinelen=0)
        self._value = value

    def encode(self, *args: Any, **kwargs: Any) -> str:
        return self._value

    def __str__(self) -> str:
        return self._value


def message_id(email: OutgoingEmail) -> str:
    """Our Message-ID: the same for every attempt of a message, at the sender's own domain."""
    domain = email.from_email.rpartition("@")[2].encode("idna").decode("ascii")
    unique = _NOT_IN_IDS.sub("-", f"retarget.{email.message_id}.{email.idempotency_key}")
    return f"<{unique}@{domain}>"


def letter(email: OutgoingEmail, *, has_message_id: bool) -> Letter:
    """The Django message for `email`, whose header-bound values `headers.problem` has passed.

    `has_message_id`: write our Message-ID. API providers write their own, and some refuse a second one.
    """
    headers = {}
    if email.unsubscribe_url:
        # RFC 8058: the pair makes the mailbox's own unsubscribe button post to us.
        headers[_UNSUBSCRIBE] = _ways_out(email)
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    if has_message_id:
        headers["Message-ID"] = message_id(email)
    message = Letter(
        subject=email.subject,
        body=email.text,
        from_email=_mailbox(email.from_name, email.from_email),
        to=[email.to],
        reply_to=[email.reply_to] if email.reply_to else None,
        headers=headers,
    )
    if email.html:
        message.attach_alternative(email.html, "text/html")
    return message


def _ways_out(email: OutgoingEmail) -> str:
    """The link, and behind it the address where there is one and both fit into a line (RFC 2369, section 2)."""
    link = f"<{email.unsubscribe_url}>"
    if not email.unsubscribe_mailbox:
        return link
    both = f"{link}, <mailto:{quote(email.unsubscribe_mailbox, safe='@+')}?subject=unsubscribe>"
    return both if len(_UNSUBSCRIBE) + 2 + len(both) <= LONGEST_LINE else link


def _mailbox(name: str, address: str) -> str:
    """`"Name" <address>`, always quoted; Django and anymail encode what is not ASCII."""
    quoted = name.strip().replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>' if quoted else address
