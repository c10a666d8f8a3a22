"""What somebody means who answers a text: stop, start again, or help, in the languages of the shop's readers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from enum import StrEnum


class Keyword(StrEnum):
    """What a received text asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


# Without accents, as texts are often typed. The first six are the carriers' own, and with REVOKE and OPTOUT those that the
# FCC names as valid by themselves (FCC 24-18); then French, Spanish, German and Italian.
STOP_WORDS = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
    | {"ARRET", "ARRETE", "ARRETER", "ARRETT", "DESABO", "DESABONNER", "DESINSCRIRE", "DESINSCRIPTION"}
    | {"PARAR", "BAJA", "ALTO", "STOPP", "ABMELDEN", "CANCELLA"}
)
START_WORDS = frozenset({"START", "UNSTOP", "YES"})
HELP_WORDS = frozenset({"HELP", "INFO", "AIDE", "AYUDA", "HILFE", "AIUTO"})
#: Any reasonable way of saying so counts, not only a word of the list (47 CFR 64.1200(a)(10)).
_DEMAND = re.compile(
    r"\b(OPT(ING)? (ME )?OUT|UNSUBSCRIBE|REMOVE ME|LEAVE ME ALONE|NO MORE (TEXTS?|MESSAGES?|SMS)"
    r"|(STOP|QUIT|DO NOT|DON T|DONT|NEVER) (\w+ )?(TEXT|MESSAGE|MESSAG|SEND|CONTACT|WRIT)\w*"
    r"|DESABONNE\w*|DESINSCRI\w+|PLUS (DE|AUCUN) (SMS|MESSAGES?|TEXTOS?)|NE M \w+ PLUS|ARRETEZ"
    r"|DE BAJA|NO ME (ENVI|ESCRIB|MAND)\w+|NO MAS (SMS|MENSAJES?)"
    r"|KEINE (SMS|NACHRICHTEN) MEHR|ABBESTELLEN|NON (INVI|SCRIV)\w+ PIU|CANCELLAMI)\b"
)


def read(text: str, *, stop_words: Collection[str] = ()) -> Keyword | None:
    """What `text` asks for, or None. `stop_words`: the shop's own, beside ours; case and accents count nowhere.

    In doubt it is a stop: it stands first, or anywhere in other words. A start stands alone.
    """
    words = _words(text)
    if not words:
        return None
    stopping = STOP_WORDS.union(*map(_words, stop_words))
    if words[0] in stopping or _DEMAND.search(" ".join(words)):
        return Keyword.STOP
    if len(words) == 1 and words[0] in START_WORDS:
        return Keyword.START
    return Keyword.HELP if words[0] in HELP_WORDS else None


def _words(text: str) -> list[str]:
    """Upper case, without accents and punctuation. A text longer than any demand is cut."""
    decomposed = unicodedata.normalize("NFKD", text[:500]).upper()
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    return re.findall(r"[^\W_]+", plain)
