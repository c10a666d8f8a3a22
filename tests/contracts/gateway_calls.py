"""What every SMS gateway must make of its provider's calls: what they say, once they are proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from retarget_plugin.channels.base import Proof
from retarget_plugin.domain.messages import Outcome, OutgoingSms
from retarget_plugin.domain.vocabulary import DeliveryKind
from retarget_plugin.exceptions import SignatureError
from tests.fakes.webhooks import Receiver

TEXT = OutgoingSms(
    message_id="41",
    idempotency_key="5e0c2a52-5d0e-4c43-9c39-0a6d3b8f6f11",
    to="+33612345678",
    text="Your basket is waiting: https://s.example/r/Ab12Cd34",
    sender="MyShop",
)
#: The secret in the receipts URL of the gateway under test.
SECRET = "s3cret-path"


class GatewayCallsContract:
    """Part of NetworkGatewayContract. `report_delivery` must be given, and `receive_stop` if people can answer.

    `repeats_our_id` is false where a report names neither our message id nor the number.
    """

    repeats_our_id = True

    @pytest.fixture
    def shop(self) -> Iterator[Receiver]:
        """Where the provider's calls arrive."""
        with Receiver() as shop:
            yield shop

    def report_delivery(self, provider: Any, sent: Outcome, url: str) -> None:
        """Let the provider report to `url`, the text's receipts URL, that the text `sent` was delivered."""
        raise NotImplementedError

    def receive_stop(self, provider: Any, sent: Outcome, url: str) -> None:
        """Let the provider hand a STOP from TEXT's number, an answer to the text `sent`, to `url`."""
        raise NotImplementedError

    def test_a_delivery_report_is_proven_and_read(self, gateway, provider, shop):
        url = f"{shop.url}/receipts/sms/default/{SECRET}/"
        sent = gateway.send(replace(TEXT, receipt_url=url))
        self.report_delivery(provider, sent, url)

        request = shop.last_request()
        gateway.verify(request)
        [event] = gateway.parse_events(request)

        assert (event.kind, event.gateway_id) == (DeliveryKind.DELIVERED, sent.gateway_id)
        assert (event.message_id, event.recipient) == ((TEXT.message_id, TEXT.to) if self.repeats_our_id else ("", ""))
        assert list(gateway.parse_inbound(request)) == []

    def test_a_report_without_its_proof_is_refused(self, gateway, provider, shop):
        url = f"{shop.url}/receipts/sms/default/{SECRET}/"
        self.report_delivery(provider, gateway.send(replace(TEXT, receipt_url=url)), url)

        request = shop.last_request()
        forgeries = [replace(request, url=request.url.replace(SECRET, "s3cret-pat"))]
        if gateway.reports is Proof.SIGNED:
            joint = "&" if urlsplit(request.url).query else "?"
            forgeries.append(replace(request, body=request.body + b"0"))
            forgeries.append(replace(request, url=f"{request.url}{joint}forged=1"))

        for forgery in forgeries:
            with pytest.raises(SignatureError):
                gateway.verify(forgery)

    def test_a_stop_is_proven_and_read(self, gateway, provider, shop):
        if not gateway.has_inbound:
            pytest.skip("what people answer does not come by this provider's calls")
        url = f"{shop.url}/receipts/sms/default/{SECRET}/"
        self.receive_stop(provider, gateway.send(replace(TEXT, receipt_url=url)), url)

        request = shop.last_request()
        gateway.verify(request)
        [text] = gateway.parse_inbound(request)

        assert (text.sender, text.text) == (TEXT.to, "STOP")
        assert list(gateway.parse_events(request)) == []
