"""Every GraphQL input of the storefront. Names start with Retarget, as those of the types do."""

from __future__ import annotations

import graphene

from retarget_plugin.domain.vocabulary import ProductNews

RetargetProductNews = graphene.Enum.from_enum(
    ProductNews, name="RetargetProductNews", description="What somebody wants to hear about a product."
)


class RetargetRestoreCartInput(graphene.InputObjectType):
    """What is needed to put a cart back together."""

    token = graphene.String(required=True, description="From the recovery link of a message.")


class RetargetPageInput(graphene.InputObjectType):
    """The page somebody is on."""

    path = graphene.String(required=True, description='Such as "/shirts/linen/". The query is not kept.')
    title = graphene.String()
    topic = graphene.String(description="What an article is about.")
    ref = graphene.String(description="Host of the page before this one.")


class RetargetItemInput(graphene.InputObjectType):
    """A product, as Google Analytics names its parts."""

    item_id = graphene.String(required=True, description="The shop's id of the product.")
    item_name = graphene.String()
    item_category = graphene.String()
    price = graphene.String(description='Decimal number in major units, such as "59.90".')
    quantity = graphene.Int()


class RetargetEventInput(graphene.InputObjectType):
    """Something that happened on the page."""

    name = graphene.String(required=True, description="page_view, view_item, add_to_cart, ... or a name of the shop's.")
    items = graphene.List(graphene.NonNull(RetargetItemInput))
    value = graphene.String(description='Decimal number in major units, such as "59.90".')
    currency = graphene.String(description="ISO 4217 code.")
    query = graphene.String(description="What was searched for.")


class RetargetTrackInput(graphene.InputObjectType):
    """What happened on a page. Without a grant it is counted, and nobody's."""

    page = graphene.InputField(RetargetPageInput, required=True)
    events = graphene.List(graphene.NonNull(RetargetEventInput), required=True, description="At most 50.")


class RetargetGrantInput(graphene.InputObjectType):
    """What the owner of this browser allowed in the shop's consent tool. What is not named is not allowed."""

    tracking = graphene.Boolean(required=True)
    ads = graphene.Boolean()
    measurement = graphene.Boolean()
    wording = graphene.String(required=True, description="Version of the text that was shown.")
    source = graphene.String(required=True, description="Which tool asked.")


class RetargetIdentifyInput(graphene.InputObjectType):
    """An address that was typed in this browser. Anybody may type anybody's, so it is kept as a claim."""

    email = graphene.String()
    phone = graphene.String()


class RetargetFieldInput(graphene.InputObjectType):
    """One field of a form and what was typed or chosen."""

    name = graphene.String(required=True)
    values = graphene.List(graphene.NonNull(graphene.String), required=True)


class RetargetCaptureLeadInput(graphene.InputObjectType):
    """A lead form as it was filled in."""

    form = graphene.String(required=True, description="Short name of the form.")
    fields = graphene.List(graphene.NonNull(RetargetFieldInput), required=True)
    page = graphene.InputField(RetargetPageInput)
    language = graphene.String(description="Of the form, as it was shown.")


class RetargetConfirmInput(graphene.InputObjectType):
    """The confirmation that somebody's address is theirs."""

    token = graphene.String(required=True, description="From the confirmation message.")


class RetargetChoiceInput(graphene.InputObjectType):
    """Something to be turned on or off."""

    name = graphene.String(required=True)
    is_on = graphene.Boolean(required=True)


class RetargetUpdatePreferencesInput(graphene.InputObjectType):
    """What is to change; whatever is not named stays as it is."""

    token = graphene.String(required=True, description="From the preferences link of a message.")
    channels = graphene.List(graphene.NonNull(RetargetChoiceInput))
    topics = graphene.List(graphene.NonNull(RetargetChoiceInput))
    grants = graphene.List(graphene.NonNull(RetargetChoiceInput))
    answers = graphene.List(graphene.NonNull(RetargetFieldInput))
    language = graphene.String()


class RetargetSubscribeToProductInput(graphene.InputObjectType):
    """Asks for one message about one product."""

    product = graphene.String(required=True, description="The shop's id of the product.")
    news = graphene.InputField(RetargetProductNews, required=True)
    email = graphene.String(description="Not needed from somebody who is known in this browser.")
