"""README's table of gateways claims nothing that the contract cases do not hold every gateway to."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module

import pytest

from retarget_plugin.channels import Gateway, sms
from retarget_plugin.channels.sms.console import ConsoleGateway
from retarget_plugin.channels.sms.memory import MemoryGateway

from . import gateways_table, readme
from .contracts.gateways import GatewayContract, NetworkGatewayContract

CONTRACTS = gateways_table.contracts()


def test_the_table_is_the_codes():
    assert readme.written("gateways") == gateways_table.table(), "run: python -m tests.gateways_table"


def test_every_gateway_that_ships_is_in_the_table():
    shipped = set()
    for module in pkgutil.iter_modules(sms.__path__, f"{sms.__name__}."):
        classes = inspect.getmembers(import_module(module.name), inspect.isclass)
        shipped |= {kind for _name, kind in classes if issubclass(kind, Gateway) and kind is not Gateway}

    assert {contract.gateway_class for contract in CONTRACTS} == shipped


def test_only_what_has_no_network_is_spared_the_cases_of_the_network():
    spared = {contract.gateway_class for contract in CONTRACTS if not issubclass(contract, NetworkGatewayContract)}

    assert spared == {ConsoleGateway, MemoryGateway}


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.gateway_class.__name__)
def test_every_gateway_is_held_to_every_case(contract):
    base = NetworkGatewayContract if issubclass(contract, NetworkGatewayContract) else GatewayContract
    cases = {name: case for name, case in inspect.getmembers(base) if name.startswith("test_")}

    assert contract.__name__.startswith("Test")
    assert len(cases) > 12
    assert [name for name, case in cases.items() if getattr(contract, name) is not case] == []
