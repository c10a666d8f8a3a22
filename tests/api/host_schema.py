"""A shop's own schema with ours mixed in. Its types have the names that shops like, and one resolver fails."""

import graphene
from graphene import relay
from graphql import GraphQLError

from retarget_plugin.api.schema import RetargetMutation, RetargetQuery


class Money(graphene.ObjectType):
    amount = graphene.Float()


class Cart(graphene.ObjectType):
    class Meta:
        interfaces = (relay.Node,)

    total = graphene.Field(Money)


class CartConnection(relay.Connection):
    class Meta:
        node = Cart


class ShopQuery(graphene.ObjectType):
    carts = relay.ConnectionField(CartConnection)
    greeting = graphene.String(name=graphene.String(required=True))
    broken = graphene.String()
    broken_inside = graphene.Field(Money)
    refused = graphene.String()

    def resolve_greeting(root, info, name):
        return f"Hello {name}"

    def resolve_broken(root, info):
        raise RuntimeError("SELECT secret FROM vault WHERE host = '10.0.0.3'")

    def resolve_broken_inside(root, info):
        return Money(amount="SELECT secret")

    def resolve_refused(root, info):
        raise GraphQLError("Only on Sundays.")


class Rename(graphene.Mutation):
    class Arguments:
        name = graphene.String()

    name = graphene.String()

    def mutate(root, info, name):
        return Rename(name=name)


class ShopMutation(graphene.ObjectType):
    rename = Rename.Field()


class Query(RetargetQuery, ShopQuery, graphene.ObjectType):
    pass


class Mutation(RetargetMutation, ShopMutation, graphene.ObjectType):
    pass


schema = graphene.Schema(query=Query, mutation=Mutation)
