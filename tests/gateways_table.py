"""README's table of SMS gateways, from what the contract cases hold each to: `python -m tests.gateways_table` writes it again."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from retarget_plugin.channels.base import Cost, Gateway, Proof

from . import readme
from .contracts.gateways import GatewayContract

COLUMNS: dict[str, Callable[[type[Gateway]], bool | str]] = {
    "Send": lambda gateway: gateway.send is not Gateway.send,
    "Reports": lambda gateway: gateway.reports is not Proof.NONE,
    "Inbound": lambda gateway: gateway.has_inbound,
    "Signature": lambda gateway: gateway.reports.value if gateway.reports is not Proof.NONE else False,
    "Key": lambda gateway: gateway.has_idempotency_keys,
    "Segments": lambda gateway: gateway.says_segments,
    "Cost": lambda gateway: gateway.says_cost.value if gateway.says_cost is not Cost.NONE else False,
}


def contracts() -> list[type[GatewayContract]]:
    """The contract of every gateway under test, by its gateway's module."""
    for path in (Path(__file__).parent / "channels").glob("test_sms_*.py"):
        import_module(f"tests.channels.{path.stem}")
    found, waiting = set[type[GatewayContract]](), [GatewayContract]
    while waiting:
        contract = waiting.pop()
        waiting += contract.__subclasses__()
        if "gateway_class" in vars(contract):
            found.add(contract)
    return sorted(found, key=lambda contract: (contract.gateway_class.__module__, contract.__name__))


def table() -> str:
    """One row a gateway."""
    lines = ["| " + " | ".join(["`BACKEND`", *COLUMNS]) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for contract in contracts():
        gateway = contract.gateway_class
        cells = [_cell(fact(gateway)) for fact in COLUMNS.values()]
        lines.append("| " + " | ".join([f"`{gateway.__module__}.{gateway.__name__}`", *cells]) + " |")
    return "\n".join(lines) + "\n"


def _cell(fact: bool | str) -> str:
    if isinstance(fact, str):
        return fact
    return "yes" if fact else "-"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    readme.write("gateways", table())
