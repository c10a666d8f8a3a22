"""What an e-mail that comes in asks for: to be left alone, or nothing that a machine should act upon."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

#: Whole subjects, without case, accents and punctuation. A text may be stopped by more words: "cancel" or "end" as a
#: subject is more likely about an order.
_STOP_SUBJECTS = frozenset(
    {"UNSUBSCRIBE", "UNSUBSCRIBE ME", "STOP", "OPT OUT", "OPTOUT", "REMOVE", "REMOVE ME"}
    | {"DESABONNER", "DESABONNEMENT", "ME DESABONNER", "DESINSCRIRE", "DESINSCRIPTION", "ME DESINSCRIRE"}
    | {"BAJA", "DAR DE BAJA", "DARME DE BAJA", "DARSE DE BAJA", "CANCELAR SUSCRIPCION"}
    | {"ABMELDEN", "ABMELDUNG", "ABBESTELLEN", "AUSTRAGEN"}
    | {"CANCELLAMI", "DISISCRIVIMI", "DISISCRIZIONE", "ANNULLA ISCRIZIONE"}
)
#: Characters of a subject that may still be one of them.
LONGEST = 100
#: Values of Precedence that no person's program writes.
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_MARKS = ("x-autoreply", "x-autorespond", "x-auto-response-suppress", "list-id", "feedback-id")


def asks_to_stop(subject: str) -> bool:
    """True when `subject` is one of the ways to say no, and nothing else: a reply keeps the subject it answers."""
    if len(subject) > LONGEST:
        return False
    decomposed = unicodedata.normalize("NFKD", subject).upper()
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", plain)) in _STOP_SUBJECTS


def is_automatic(headers: Mapping[str, str], *, envelope_sender: str | None) -> bool:
    """True when a program wrote the mail: an absence note, a bounce, a mailing list (RFC 3834, section 5; RFC 5321, 4.5.5).

    `headers`: names in lower case. `envelope_sender`: None where the provider does not say.
    """
    if envelope_sender is not None and envelope_sender.strip("<> ") == "":
        return True
    if headers.get("auto-submitted", "no").partition(";")[0].strip().lower() != "no":
        return True
    if headers.get("precedence", "").strip().lower() in _BULK or any(mark in headers for mark in _MARKS):
        return True
    return headers.get("content-type", "").lower().startswith("multipart/report")
