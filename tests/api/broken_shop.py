"""A shop that is down."""

from retarget_plugin.hosts import Host


class BrokenShop(Host):
    def get_cart(self, reference):
        raise RuntimeError("the shop is down")

    def restore_cart(self, request, items, coupon=""):
        raise RuntimeError("the shop is down")
