"""The root fields. `RetargetQuery` and `RetargetMutation` may be mixed into a shop's own schema."""

from __future__ import annotations

import graphene

from . import staff, storefront, types
from .permissions import StaffField


class RetargetQuery(graphene.ObjectType):
    """What a storefront may read."""

    retarget_cart = graphene.Field(
        types.RetargetCart,
        token=graphene.String(required=True, description="From the recovery link of a message."),
        resolver=storefront.cart,
        description="The cart behind a recovery link. Whatever is wrong with the token, the error is the same.",
    )


class RetargetMutation(graphene.ObjectType):
    """What a storefront may do."""

    retarget_restore_cart = graphene.Field(
        types.RetargetRestoreCart,
        input=types.RetargetRestoreCartInput(required=True),
        resolver=storefront.restore_cart,
        description="Puts the cart behind a recovery link into the cart of whoever asks. Adds only; twice equals once.",
    )


class RetargetStaffQuery(graphene.ObjectType):
    """What staff may read, by permission."""

    retarget_messages = StaffField(
        types.RetargetMessageConnection,
        permissions=["retarget_plugin.view_message"],
        first=graphene.Int(description="Rows on the page: 20 if not said, 100 at most."),
        after=graphene.String(description="Cursor of the last row before the page."),
        state=types.RetargetMessageState(),
        channel=types.RetargetChannel(),
        shop=graphene.ID(),
        resolver=staff.messages,
        description="Messages, newest first. Needs view_message.",
    )
    retarget_report = StaffField(
        types.RetargetReport,
        permissions=["retarget_plugin.view_cart", "retarget_plugin.view_order"],
        shop=graphene.ID(description="May be left out where there is one shop."),
        since=graphene.Date(description="First day, in the shop's time zone. Thirty days up to `until` if not said."),
        until=graphene.Date(description="Last day, included. Today if not said. At most 366 days."),
        resolver=staff.report,
        description="What the carts of a period came to. Needs view_cart and view_order.",
    )


schema = graphene.Schema(query=RetargetQuery, mutation=RetargetMutation)
staff_schema = graphene.Schema(query=RetargetStaffQuery)
