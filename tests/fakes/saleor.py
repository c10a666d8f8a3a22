"""A Saleor 3.24 for one app: its GraphQL API, keys, signed webhooks, installation, and the tokens of its dashboard.

The schema (saleor.graphql) is the documented part and no more, so that a field nobody promised is an error here.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils import timezone
from graphql import GraphQLError, build_schema, execute, parse, validate
from graphql.pyutils import snake_to_camel

from .saleor_nodes import gid
from .saleor_shop import SaleorShop
from .web import Call, Reply, WebFake

VERSION = "3.24"
APP_TOKEN = "app-token-of-the-fake-saleor-x1"
PERMISSIONS = ("MANAGE_CHECKOUTS", "MANAGE_ORDERS", "MANAGE_USERS", "MANAGE_DISCOUNTS", "MANAGE_PRODUCTS")
#: Root field -> what a caller needs for it; every other is for anybody.
NEEDED = {
    "checkouts": "MANAGE_CHECKOUTS",
    "order": "MANAGE_ORDERS",
    "orders": "MANAGE_ORDERS",
    "voucher": "MANAGE_DISCOUNTS",
    "vouchers": "MANAGE_DISCOUNTS",
    "voucherCreate": "MANAGE_DISCOUNTS",
    "voucherUpdate": "MANAGE_DISCOUNTS",
    "voucherDelete": "MANAGE_DISCOUNTS",
    "voucherCodeBulkDelete": "MANAGE_DISCOUNTS",
    "voucherChannelListingUpdate": "MANAGE_DISCOUNTS",
}

#: What the dashboard puts around an app: its sandbox, and a token for who says to be ready.
DASHBOARD = """<!doctype html><title>Dashboard</title>
<iframe src="{app}" style="border:0;position:fixed;inset:0;width:100%;height:100%"
  sandbox="allow-same-origin allow-forms allow-scripts allow-downloads allow-popups"></iframe>
<script>
  const frame = document.querySelector("iframe"), app = new URL(frame.src).origin;
  addEventListener("message", ({{ origin, data }}) => {{
    if (origin !== app || data.type !== "notifyReady" || !data.payload.actionId) return;
    const payload = {{ token: {token}, version: 1, saleorVersion: "3.24", dashboardVersion: "3.24" }};
    frame.contentWindow.postMessage({{ type: "handshake", payload }}, app);
  }});
</script>"""


@cache
def schema() -> Any:
    return build_schema((Path(__file__).parent / "saleor.graphql").read_text())


@cache
def signing_key() -> rsa.RSAPrivateKey:
    """One for the whole run: making one takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Delivery:
    """One webhook call: its bytes as first made, and what became of it. Repeated, it is byte for byte the same."""

    webhook: str
    event: str
    body: bytes
    created_at: datetime
    status: str = "PENDING"
    answers: list[int] = field(default_factory=list)
    id: str = field(default_factory=lambda: gid("EventDelivery", uuid.uuid4().hex))


class SaleorServer(WebFake):
    """Serves `shop` at `url`/graphql/. Events wait in `deliveries` until `deliver()` posts them, as Celery would.

    `app` is None until `install()`; `is_app_active` is what the dashboard's switch does. `post` hands a webhook over:
    (url, body, headers) -> status; by default over HTTP.
    """

    token = APP_TOKEN
    key_id = "key-of-the-fake"

    def __init__(self) -> None:
        super().__init__()
        self.shop = SaleorShop(self.emit)
        self.manifest: dict[str, Any] = {}
        self.app_id = ""
        self.is_app_active = False
        self.permissions: tuple[str, ...] = PERMISSIONS
        self.deliveries: list[Delivery] = []
        self.now: Callable[[], datetime] = timezone.now

    @property
    def api_url(self) -> str:
        return f"{self.url}/graphql/"

    # -- what the outside asks --------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Reply:
        if (call.method, call.path) == ("GET", "/.well-known/jwks.json"):
            return Reply(200, self.jwks())
        if (call.method, call.path) == ("GET", "/dashboard/"):
            page = DASHBOARD.format(app=call.query["app"][0], token=json.dumps(self.dashboard_token()))
            return Reply(200, body=page.encode(), headers={"Content-Type": "text/html; charset=utf-8"})
        if (call.method, call.path) != ("POST", "/graphql/"):
            return Reply(404, body=b"Not Found")
        status, document = self.execute(call.document, token=call.headers.get("Authorization", ""))
        return Reply(status, document)

    def execute(self, document: Mapping[str, Any], *, token: str = "") -> tuple[int, dict[str, Any]]:
        """(HTTP status, answer): 400 for what the schema does not know, 200 for what went wrong on the way."""
        try:
            query = parse(document["query"])
        except GraphQLError as error:
            return 400, {"errors": [_error(error)]}
        if errors := validate(schema(), query):
            return 400, {"errors": [_error(error) for error in errors]}
        found = execute(schema(), query, self._roots(token), variable_values=document.get("variables") or {})
        answer: dict[str, Any] = {"data": found.data, "extensions": {"cost": {"requestedQueryCost": 1}}}
        if found.errors:
            answer["errors"] = [_error(error) for error in found.errors]
        return 200, answer

    def _roots(self, token: str) -> dict[str, Any]:
        is_app = bool(self.app_id) and self.is_app_active and token == f"Bearer {self.token}"
        issuer = {"__typename": "App", **self._app()} if is_app else None
        roots = {"app": lambda info: self._app() if is_app else None}
        for name, resolve in self.shop.roots().items():
            roots[name] = self._guarded(name, resolve, is_app=is_app, issuer=issuer)
        return roots

    def _guarded(self, name: str, resolve: Any, *, is_app: bool, issuer: Any) -> Any:
        def guarded(info: Any, **arguments: Any) -> Any:
            needed = NEEDED.get(name)
            if needed and not (is_app and needed in self.permissions):
                raise PermissionDenied(needed)
            self.shop.issuer = issuer
            try:
                return resolve(**arguments)
            finally:
                self.shop.issuer = None

        return guarded

    def jwks(self) -> dict[str, Any]:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(signing_key().public_key()))
        return {"keys": [{**public, "use": "sig", "alg": "RS256", "kid": self.key_id}]}

    # -- the app ----------------------------------------------------------------------------------------------------

    def install(self, manifest_url: str) -> None:
        """What staff do with "install app": GET the manifest, POST the token; a refusal installs nothing."""
        told = requests.get(manifest_url, headers={"Saleor-Schema-Version": VERSION}, timeout=10, allow_redirects=False)
        assert told.status_code == 200, told.text
        self.manifest = told.json()
        for webhook in self.manifest["webhooks"]:
            errors = validate(schema(), parse(webhook["query"]))
            assert not errors, (webhook["name"], errors)
        self.app_id, self.is_app_active = gid("App", "1"), True
        taken = requests.post(
            self.manifest["tokenTargetUrl"],
            json={"auth_token": self.token},
            headers={**self._headers(), "Saleor-Schema-Version": VERSION},
            timeout=10,
            allow_redirects=False,
        )
        if not taken.ok:
            self.app_id, self.is_app_active = "", False
        assert taken.ok, taken.text

    def _app(self) -> dict[str, Any]:
        webhooks = [
            {
                "id": gid("Webhook", webhook["name"]),
                "name": webhook["name"],
                "targetUrl": webhook["targetUrl"],
                "isActive": True,
                "eventDeliveries": self._delivery_page(webhook["name"]),
            }
            for webhook in self.manifest.get("webhooks", [])
        ]
        name, identifier = self.manifest.get("name", ""), self.manifest.get("id", "")
        return {
            "id": self.app_id,
            "identifier": identifier,
            "name": name,
            "isActive": self.is_app_active,
            "webhooks": webhooks,
        }

    def _delivery_page(self, webhook: str) -> Callable[..., dict[str, Any]]:
        def page(info: Any, first: int = 50, after: str = "", filter: Any = None, sortBy: Any = None) -> dict[str, Any]:
            wanted = (filter or {}).get("status")
            found = [
                {
                    "id": each.id,
                    "createdAt": each.created_at.isoformat(),
                    "status": each.status,
                    "eventType": each.event.upper(),
                    "payload": each.body.decode(),
                    "attempts": {"edges": [{"node": {"id": "1", "responseStatusCode": code}} for code in each.answers]},
                }
                for each in self.deliveries
                if each.webhook == webhook and wanted in (None, each.status)
            ]
            if (sortBy or {}).get("direction") == "DESC":
                found.reverse()
            return self.shop.page(found, first=first, after=after)

        return page

    # -- webhooks ---------------------------------------------------------------------------------------------------

    def emit(self, event: str, **subject: Any) -> None:
        """Note `event` (such as "checkout_created") for every webhook that asked for it."""
        for webhook in self.manifest.get("webhooks", []) if self.is_app_active else []:
            if f"... on {snake_to_camel(event)} " not in " ".join(webhook["query"].split()):
                continue
            told = {
                "__typename": snake_to_camel(event),
                "issuedAt": self.now().isoformat(),
                "version": VERSION,
                "issuingPrincipal": self.shop.issuer,
                **subject,
            }
            found = execute(schema(), parse(webhook["query"]), {"event": told})
            assert not found.errors, found.errors
            assert found.data is not None
            body = json.dumps(found.data["event"]).encode()
            self.deliveries.append(Delivery(webhook["name"], event, body, self.now()))

    def deliver(self) -> list[Delivery]:
        """Post all that waits, in order; what is not answered with 2xx has failed for good. Answers what was posted."""
        waiting = [each for each in self.deliveries if each.status == "PENDING"]
        for each in waiting:
            each.answers.append(self.post(each))
            each.status = "SUCCESS" if 200 <= each.answers[-1] < 300 else "FAILED"
        return waiting

    def lose(self) -> list[Delivery]:
        """What a receiver's outage does: all that waits has failed."""
        waiting = [each for each in self.deliveries if each.status == "PENDING"]
        for each in waiting:
            each.status, each.answers = "FAILED", [503] * 6
        return waiting

    def post(self, delivery: Delivery) -> int:
        """One attempt over HTTP; answers the status, 0 for none."""
        url = next(hook["targetUrl"] for hook in self.manifest["webhooks"] if hook["name"] == delivery.webhook)
        headers = {**self._headers(), "Saleor-Event": delivery.event, "Saleor-Signature": self.sign(delivery.body)}
        try:
            return requests.post(
                url, data=delivery.body, headers=headers, timeout=10, allow_redirects=False
            ).status_code
        except requests.RequestException:
            return 0

    def sign(self, body: bytes) -> str:
        """Detached JWS (RFC 7797), as the captures have it."""
        headers = {"b64": False, "crit": ["b64"], "kid": self.key_id}
        return jwt.api_jws.encode(body, signing_key(), algorithm="RS256", headers=headers, is_payload_detached=True)

    def _headers(self) -> dict[str, str]:
        domain = self.url.removeprefix("http://")
        return {
            "User-Agent": f"Saleor/{VERSION}",
            "Content-Type": "application/json",
            "Saleor-Domain": domain,
            "Saleor-Api-Url": self.api_url,
        }

    # -- the dashboard ----------------------------------------------------------------------------------------------

    def dashboard_token(self, *, permissions: tuple[str, ...] = PERMISSIONS, **claims: Any) -> str:
        """What the bridge hands to the page in the iframe: the signed-in member of staff, for five minutes."""
        now = self.now()
        told = {
            "iat": now,
            "exp": now + timedelta(seconds=300),
            "iss": self.api_url,
            "type": "thirdparty",
            "app": self.app_id,
            "user_id": gid("User", "21"),
            "email": "admin@example.com",
            "is_staff": True,
            "permissions": list(permissions),
            "user_permissions": list(permissions),
            **claims,
        }
        return jwt.encode(told, signing_key(), algorithm="RS256", headers={"kid": self.key_id})


class PermissionDenied(Exception):
    """What Saleor says to a caller that may not."""

    def __init__(self, permission: str) -> None:
        super().__init__(f"To access this path, you need one of the following permissions: {permission}")


def _error(error: GraphQLError) -> dict[str, Any]:
    cause = error.original_error or error
    return {
        "message": error.message,
        "path": error.path,
        "extensions": {"exception": {"code": type(cause).__name__}},
    }
