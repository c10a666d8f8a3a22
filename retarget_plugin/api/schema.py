"""The root fields. `RetargetQuery` and `RetargetMutation` may be mixed into a shop's own schema."""

from __future__ import annotations

import graphene

from . import (
    backtests,
    flows,
    inputs,
    leads,
    preferences,
    recommendations,
    reports,
    staff,
    storefront,
    stories,
    types,
    visitors,
)
from .permissions import StaffField


class RetargetQuery(graphene.ObjectType):
    """What a storefront may read."""

    retarget_cart = graphene.Field(
        types.RetargetCart,
        token=graphene.String(required=True, description="From the recovery link of a message."),
        resolver=storefront.cart,
        description="The cart behind a recovery link. Whatever is wrong with the token, the error is the same.",
    )
    retarget_visitor = graphene.Field(
        types.RetargetVisitor,
        resolver=visitors.visitor,
        description="The browser that asks; null where it is not recognised. By cookie, on the site's own pages only.",
    )
    retarget_lead_forms = graphene.List(
        graphene.NonNull(types.RetargetLeadForm),
        page=inputs.RetargetPageInput(required=True),
        language=graphene.String(description="The browser's own if not said."),
        resolver=leads.lead_forms,
        description="The lead forms that belong on a page.",
    )
    retarget_preferences = graphene.Field(
        types.RetargetPreferences,
        token=graphene.String(required=True, description="From the preferences link of a message."),
        resolver=preferences.preferences,
        description="What a person has chosen. Whatever is wrong with the token, the error is the same.",
    )
    retarget_recommendations = graphene.List(
        graphene.NonNull(types.RetargetProduct),
        product=graphene.String(description="The shop's id of the product whose page this is."),
        token=graphene.String(
            description="From the preferences link of a message; without it the cookie tells, if any."
        ),
        first=graphene.Int(description="3 if not said, 12 at most."),
        resolver=recommendations.recommendations,
        description="Products for whoever asks, best first: none that they own, have in a cart, or could not buy now.",
    )


class RetargetMutation(graphene.ObjectType):
    """What a storefront may do."""

    retarget_restore_cart = graphene.Field(
        types.RetargetRestoreCart,
        input=inputs.RetargetRestoreCartInput(required=True),
        resolver=storefront.restore_cart,
        description="Puts the cart behind a recovery link into the cart of whoever asks. Adds only; twice equals once.",
    )
    retarget_track = graphene.Field(
        types.RetargetOutcome,
        input=inputs.RetargetTrackInput(required=True),
        resolver=visitors.track,
        description="Tells what happened on a page. Nobody's, unless the browser is recognised.",
    )
    retarget_grant = graphene.Field(
        types.RetargetGrant,
        input=inputs.RetargetGrantInput(required=True),
        resolver=visitors.grant,
        description="Notes what the browser's owner allowed. With tracking among it the browser is recognised from now on.",
    )
    retarget_withdraw = graphene.Field(
        types.RetargetOutcome,
        resolver=visitors.withdraw,
        description="Ends the recognition of this browser.",
    )
    retarget_identify = graphene.Field(
        types.RetargetOutcome,
        input=inputs.RetargetIdentifyInput(required=True),
        resolver=visitors.identify,
        description="Notes an address as a claim. The answer is the same for every address.",
    )
    retarget_capture_lead = graphene.Field(
        types.RetargetCaptureLead,
        input=inputs.RetargetCaptureLeadInput(required=True),
        resolver=leads.capture_lead,
        description="Sends a lead form. The answer is the same for every address.",
    )
    retarget_confirm = graphene.Field(
        types.RetargetConfirm,
        input=inputs.RetargetConfirmInput(required=True),
        resolver=leads.confirm,
        description="Confirms an address by the token that was sent to it. Twice equals once.",
    )
    retarget_update_preferences = graphene.Field(
        types.RetargetUpdatePreferences,
        input=inputs.RetargetUpdatePreferencesInput(required=True),
        resolver=preferences.update_preferences,
        description="Changes a person's choices: all that is named, or nothing.",
    )
    retarget_subscribe_to_product = graphene.Field(
        types.RetargetOutcome,
        input=inputs.RetargetSubscribeToProductInput(required=True),
        resolver=preferences.subscribe_to_product,
        description="Asks for one message when a product is back or costs less. The answer is the same for every address.",
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
        reports.RetargetReport,
        permissions=["retarget_plugin.view_cart", "retarget_plugin.view_order"],
        shop=graphene.ID(description="May be left out where there is one shop."),
        since=graphene.Date(description="First day, in the shop's time zone. Thirty days up to `until` if not said."),
        until=graphene.Date(description="Last day, included. Today if not said. At most 366 days."),
        resolver=reports.report,
        description="What the carts of a period came to. Needs view_cart and view_order.",
    )
    retarget_explain = StaffField(
        stories.RetargetExplanation,
        permissions=["retarget_plugin.view_contact", "retarget_plugin.view_message"],
        contact=graphene.ID(required=True, description="The number that the admin shows."),
        flow=graphene.String(description="A flow's key; all flows if not said."),
        resolver=stories.explained,
        description="Why a person got the messages of a flow, or did not. Needs view_contact and view_message.",
    )
    retarget_flows = StaffField(
        graphene.List(graphene.NonNull(flows.RetargetFlowStanding)),
        permissions=["retarget_plugin.view_flow"],
        shop=graphene.ID(description="May be left out where there is one shop."),
        resolver=flows.standings,
        description="The flows of a shop, and where each stands. Needs view_flow.",
    )


class RetargetStaffMutation(graphene.ObjectType):
    """What staff may do, by permission."""

    retarget_publish_flow = StaffField(
        flows.RetargetPublishFlow,
        permissions=["retarget_plugin.change_flow"],
        input=flows.RetargetPublishFlowInput(required=True),
        resolver=flows.publish,
        description="Puts a new version of a flow into use, or says what is wrong with it. Needs change_flow.",
    )
    retarget_pause_flow = StaffField(
        flows.RetargetPauseFlow,
        permissions=["retarget_plugin.change_flow"],
        input=flows.RetargetPauseFlowInput(required=True),
        resolver=flows.pause,
        description="Holds a flow where it is, or lets it go on. Needs change_flow.",
    )
    retarget_backtest = StaffField(
        backtests.RetargetBacktest,
        permissions=["retarget_plugin.view_flow"],
        input=backtests.RetargetBacktestInput(required=True),
        resolver=backtests.played,
        description="What a flow would have done with past carts, at most 10,000. Writes nothing. Needs view_flow.",
    )


schema = graphene.Schema(query=RetargetQuery, mutation=RetargetMutation)
staff_schema = graphene.Schema(query=RetargetStaffQuery, mutation=RetargetStaffMutation)
