"""Settings of the processes a rig starts: the suite's own, with the rig's database and its far ends.

RETARGET_FAULTS holds {"database_url", "is_default_sqlite", "smtp_port", "gateway_url", "keeps_keys", "folder", "retarget"}.
"""

import json
import os

from tests.fakes.plain_gateway import PlainGatewayServer
from tests.settings import *  # noqa: F403
from tests.settings import MAILERS, RETARGET, database

_rig = json.loads(os.environ["RETARGET_FAULTS"])
_given = _rig["retarget"]

DATABASES = {"default": database(_rig["database_url"])}
if _rig["is_default_sqlite"]:
    del DATABASES["default"]["OPTIONS"]
# Every Django still reads EMAIL_*, but from 6.1 on not beside MAILERS.
del MAILERS
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = "127.0.0.1", _rig["smtp_port"], 5

_keys = {"idempotency_header": "Idempotency-Key", "idempotency_key_life": 86400.0} if _rig["keeps_keys"] else {}
GATEWAY = {
    "BACKEND": "retarget_plugin.channels.sms.http.HttpGateway",
    "OPTIONS": {
        "url": f"{_rig['gateway_url']}/v1/messages",
        "auth": {"bearer": PlainGatewayServer.token},
        "body": {"message": {"to": "{to}", "text": "{text}", "ref": "{message_id}"}},
        "id_path": "messages.0.id",
        "error_path": "error.code",
        "read_seconds": 5,
        **_keys,
    },
}
RETARGET = {
    **RETARGET,
    "FAILPOINTS": "tests.faults.stops.reached",
    "LEASE_SECONDS": 5,
    "BATCH_SIZE": 5,
    **_given,
    # A given gateway is the plain one but for what it says.
    "SMS": {"default": GATEWAY} | {alias: {**GATEWAY, **entry} for alias, entry in _given.get("SMS", {}).items()},
}
