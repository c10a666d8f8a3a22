"""The secrets in the addresses that providers report to: all that vouches for a provider that signs nothing."""

from __future__ import annotations

import re

from retarget_plugin import conf

#: What stands in an address as it is, and is long enough to be guessed by nobody.
_USABLE = re.compile(r"[A-Za-z0-9_-]{16,}")


def of(alias: str) -> list[str]:
    """Every secret of gateway `alias` that counts, the one to give out first; while it is being changed there are two."""
    entry = conf.settings.WEBHOOK_SECRETS.get(alias) or ()
    return [str(secret) for secret in ([entry] if isinstance(entry, str) else entry) if secret]


def problems(alias: str) -> list[str]:
    """Why no call of `alias` could be believed, or why others' could: nothing where its secrets are as they should be."""
    name = f'RETARGET["WEBHOOK_SECRETS"]["{alias}"]'
    advice = f'Set {name} = "..." to what python -c "import secrets; print(secrets.token_urlsafe())" prints.'
    secrets = of(alias)
    if not secrets:
        return [f"{name} is not set, so no delivery report and no STOP of this gateway can be believed. {advice}"]
    if not all(map(_USABLE.fullmatch, secrets)):
        return [f"{name} must be at least 16 letters, digits, hyphens and underscores. {advice}"]
    return []
