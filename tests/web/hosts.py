"""Shops in trouble."""

from retarget_plugin.hosts import Host


class BrokenShop(Host):
    """Every question to it fails."""

    def get_cart(self, reference):
        raise RuntimeError("the shop is down")

    def get_order(self, reference):
        raise RuntimeError("the shop is down")

    def restore_cart(self, request, items, coupon=""):
        raise RuntimeError("the shop is down")
