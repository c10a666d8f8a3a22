"""Saleor (3.22 and later) as a host, without its SDK: name `retarget_plugin.hosts.saleor.SaleorHost` as its BACKEND."""

from __future__ import annotations

from .host import SaleorHost

__all__ = ["SaleorHost"]
