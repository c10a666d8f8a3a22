"""Publishes, previews and sends hostile messages, and says what each cost: `python -m tests.faults.rendering COUNT SEED`.

Runs in a rig's environment. One line of JSON a message and channel: {"name", "channel", "at_save", "at_preview",
"at_sending" (seconds of CPU), "extra" (MB that this process ever held more than before the first), "state",
"segments"}. `state` is "refused" where it could not be published.
"""

from __future__ import annotations

import json
import logging
import resource
import sys
import time
from contextlib import suppress
from typing import Any

import django

from tests import awake

from . import hostile, people


class Workbench:
    """One shop whose flow of each channel gets one version after the other."""

    def __init__(self) -> None:
        from retarget_plugin.models import Shop
        from retarget_plugin.models.clock import database_now

        self.now = database_now()
        self.shop = Shop.objects.get()
        self.flows = {
            channel: self.shop.flows.get(slug=name.replace("_", "-")) for channel, (name, _step) in people.STEPS.items()
        }
        # What a worker holds anyway.
        for channel, body in (("email", "Hello"), ("sms", "Hello {{ cart.url }}")):
            self.measure(channel, body, name="harmless")
        self.memory = _memory()

    def measure(self, channel: str, body: str | list[str], *, name: str) -> dict[str, Any]:
        from retarget_plugin.exceptions import TemplateError

        row: dict[str, Any] = {"name": name, "channel": channel, "state": "refused"}
        with suppress(TemplateError):
            with _Stopwatch(row, "at_save"):
                version = self._publish(channel, body)
            with suppress(TemplateError), _Stopwatch(row, "at_preview"):
                self._preview(version)
            # Staff may publish what a preview has refused.
            row |= self._send(channel, f"{name.replace(' ', '-')}@example.com", row)
        return row

    def _publish(self, channel: str, body: str | list[str]) -> Any:
        from retarget_plugin.domain.flows import FlowError
        from retarget_plugin.engine import flows, proofs

        flow = self.flows[channel]
        step = people.STEPS[channel][1]
        written = {"text": body} if channel == "sms" else {"subject": "Hello", "heading": "Hello", "body": body}
        messages = {step: {"channel": channel, "en": written}}
        try:
            version = flows.publish(flow, flow.version.definition, messages, now=self.now)
        except FlowError:
            # A name that nothing fills is refused today. What was published before is written all the same.
            version = self._as_published_before(flow, messages)
        proofs.warnings(version)
        return version

    def _as_published_before(self, flow: Any, messages: dict[str, Any]) -> Any:
        from retarget_plugin.domain import content
        from retarget_plugin.engine import layouts
        from retarget_plugin.models import FlowVersion

        compiled = content.compile_messages(messages, layouts.shipped())
        number = flow.versions.count() + 1
        version = FlowVersion.objects.create(
            flow=flow, number=number, definition=flow.version.definition, content=compiled, published_at=self.now
        )
        flow.version = version
        flow.save(update_fields=["version"])
        return version

    def _preview(self, version: Any) -> None:
        from retarget_plugin.engine import proofs

        proofs.preview(version, *version.content, shop=self.shop, now=self.now)

    def _send(self, channel: str, email: str, row: dict[str, Any]) -> dict[str, Any]:
        from retarget_plugin.engine import delivery
        from retarget_plugin.models import Message

        recipient = email if channel == "email" else awake.number_of(Message.objects.count(), now=self.now)
        people.queue(self.shop, people.settle_in(self.shop, [(recipient, channel)], now=self.now), now=self.now)
        with _Stopwatch(row, "at_sending"):
            delivery.dispatch(now=self.now)
        message = Message.objects.latest("pk")
        return {"state": message.state, "segments": message.segments or 0}


class _Stopwatch:
    """Seconds of this process's CPU, all threads, into `row[name]`, also where the work fails."""

    def __init__(self, row: dict[str, Any], name: str) -> None:
        self._row, self._name = row, name

    def __enter__(self) -> None:
        self._began = time.process_time()

    def __exit__(self, *_: object) -> None:
        self._row[self._name] = round(time.process_time() - self._began, 3)


def _memory() -> float:
    """The most that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(count: int, seed: int) -> None:
    logging.disable(logging.ERROR)
    bench = Workbench()
    for name, body in hostile.messages(count, seed):
        for channel in people.STEPS:
            text = body if channel == "email" or isinstance(body, str) else "".join(body)
            row = bench.measure(channel, text, name=name)
            print(json.dumps({**row, "extra": round(_memory() - bench.memory, 1)}), flush=True)


if __name__ == "__main__":
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
