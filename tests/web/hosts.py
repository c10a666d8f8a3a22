"""Shops in trouble, and one that listens closely."""

from retarget_plugin.hosts import Host


class BrokenShop(Host):
    """Every question to it fails."""

    def get_cart(self, reference):
        raise RuntimeError("the shop is down")

    def get_order(self, reference):
        raise RuntimeError("the shop is down")

    def restore_cart(self, request, items, coupon=""):
        raise RuntimeError("the shop is down")


class ChannelShop(Host):
    """A shop that is told which cart it was and who asks. `asked` keeps what it was told."""

    def __init__(self, alias="default", **options):
        super().__init__(alias, **options)
        self.asked = []

    def get_cart(self, reference):
        return None

    def recover_cart(self, request, items, *, reference, scope="", is_own=False, coupon=""):
        self.asked.append({"reference": reference, "scope": scope, "is_own": is_own})
        return "/basket/"
