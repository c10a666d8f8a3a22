"""The gateways without a provider: memory and console."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from retarget_plugin.channels.sms.console import ConsoleGateway
from retarget_plugin.channels.sms.memory import MemoryGateway
from retarget_plugin.domain.messages import Outcome
from retarget_plugin.domain.vocabulary import OutcomeKind
from retarget_plugin.exceptions import GatewayError
from tests.contracts.gateways import TEXT, GatewayContract

pytestmark = pytest.mark.delivery


class TestMemoryGateway(GatewayContract):
    gateway_class = MemoryGateway

    @pytest.fixture
    def gateway(self):
        MemoryGateway.reset()
        yield MemoryGateway()
        MemoryGateway.reset()

    def sent(self, gateway):
        return [(sms.to, sms.text) for sms in MemoryGateway.outbox]

    def test_answers_as_told_and_then_accepts(self, gateway):
        later = Outcome(kind=OutcomeKind.TRANSIENT, code="busy")
        MemoryGateway.answers = [later]

        assert gateway.send(TEXT) == later
        assert MemoryGateway.outbox == []
        assert gateway.send(TEXT).kind is OutcomeKind.ACCEPTED
        assert MemoryGateway.outbox == [TEXT]
        assert MemoryGateway.calls == [TEXT, TEXT]

    def test_raises_as_told(self, gateway):
        MemoryGateway.answers.append(GatewayError("gone", gateway="default", outcome="unknown"))

        with pytest.raises(GatewayError):
            gateway.send(TEXT)
        assert MemoryGateway.outbox == []

    def test_counts_segments(self, gateway):
        assert gateway.send(replace(TEXT, text="é" * 161)).segments == 2


class TestConsoleGateway(GatewayContract):
    gateway_class = ConsoleGateway

    @pytest.fixture(autouse=True)
    def _standard_output(self, capsys):
        self.capsys = capsys
        self.printed = ""

    @pytest.fixture
    def gateway(self):
        return ConsoleGateway()

    def sent(self, gateway):
        self.printed += self.capsys.readouterr().out
        # The console shows no whole number, so the contract's is put back.
        return [(TEXT.to, text) for text in re.findall(r"^SMS to .*:\n(.*)\n\n", self.printed, re.MULTILINE)]

    def test_prints_masked_number_text_and_segments(self, gateway):
        gateway.send(replace(TEXT, text="a" * 161))

        printed = self.capsys.readouterr().out
        assert printed == "SMS to +336…78 from MyShop (2 segments):\n" + "a" * 161 + "\n\n"

    def test_ids_are_made_of_ours(self, gateway):
        assert gateway.send(TEXT).gateway_id == "console-41"
        assert gateway.send(replace(TEXT, message_id="42")).gateway_id == "console-42"
