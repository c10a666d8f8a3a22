"""Was it a person or a machine that followed a link? Machines are marked, never dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

# Mail scanners, link previewers, crawlers and libraries. No list sees all of them, hence the rules on behaviour below.
_AGENTS = re.compile(
    r"bot\b|bot/|crawl|spider|slurp|preview|scan|curl|wget|python|java/|okhttp|go-http|headless|libwww|axios|node-fetch|"
    r"proofpoint|barracuda|mimecast|symantec|messagelabs|cisco|trendmicro|sophos|forcepoint|fireeye|zscaler|kaspersky|"
    r"safelinks|googleimageproxy|yahoomailproxy|facebookexternalhit|whatsapp|telegram|skypeuri|slack|discord|bitlybot|"
    r"microsoft office|outlook-|ms-office|monitor|uptime|lighthouse|pingdom",
    re.IGNORECASE,
)
TOO_SOON = timedelta(seconds=3)


def is_machine(*, user_agent: str, method: str, headers: Mapping[str, str], since_sent: timedelta | None) -> bool:
    """True when a request for a link was, by all signs, not made by a person.

    `headers`: names in lower case. `since_sent`: time since the message was handed over; scanners come within seconds.
    """
    if method != "GET" or not user_agent.strip() or _AGENTS.search(user_agent):
        return True
    purpose = f"{headers.get('sec-purpose', '')} {headers.get('purpose', '')} {headers.get('x-moz', '')}".lower()
    if "prefetch" in purpose or "preview" in purpose:
        return True
    return since_sent is not None and since_sent < TOO_SOON
