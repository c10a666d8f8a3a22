"""On what legal basis a message may go out. Strictest reading by default; sources stand with each rule."""

from __future__ import annotations

from dataclasses import dataclass

from .vocabulary import ConsentState, LegalBasis, Reason


@dataclass(frozen=True)
class Basis:
    """`basis` is NONE when nothing allows the message; `reason` then says what is missing."""

    basis: LegalBasis
    reason: Reason | None = None


def basis_for(state: str | None) -> Basis:
    """The basis of a marketing message, from today's consent `state` for its channel (None: never asked).

    An account or a left basket is no customer relationship (CNIL, "La prospection commerciale par SMS-MMS"; decision
    SAN-2021-008 of 14 June 2021), so a cart message needs the grant itself, in every country until its rule is read.
    """
    if state == ConsentState.GRANTED:
        return Basis(LegalBasis.CONSENT)
    if state == ConsentState.PENDING:
        return Basis(LegalBasis.NONE, Reason.CONSENT_PENDING)
    return Basis(LegalBasis.NONE, Reason.NO_CONSENT)
