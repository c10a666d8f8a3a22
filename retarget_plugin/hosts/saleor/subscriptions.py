"""What we ask of Saleor: the subscriptions that make its webhooks, and the same fields for when we ask ourselves.

Saleor's own SubscriptionQuery has taken every text here as it stands. Change one only together with the captured requests
in the tests: one type named twice with another nullability, and the app cannot be installed.
"""

from __future__ import annotations

_HEAD = "issuedAt version __typename issuingPrincipal { ... on App { id } ... on User { id } }"

CHECKOUT_FIELDS = """fragment C on Checkout {
  id token created updatedAt email languageCode voucherCode quantity authorizeStatus chargeStatus
  channel { id slug currencyCode } metadata { key value }
  user { id email firstName lastName languageCode metadata { key value } }
  billingAddress { firstName lastName phone country { code } } shippingAddress { firstName lastName phone country { code } }
  subtotalPrice { gross { amount currency } } totalPrice { gross { amount currency } } discount { amount currency }
  lines { id quantity unitPrice { gross { amount currency } } totalPrice { gross { amount currency } }
    variant { id sku name product { id name slug thumbnail(size: 256) { url } } } } }"""

ORDER_FIELDS = """fragment O on Order {
  id number created updatedAt status isPaid paymentStatus chargeStatus userEmail languageCodeEnum checkoutId origin voucherCode
  channel { id slug currencyCode } metadata { key value } user { id email firstName lastName languageCode metadata { key value } }
  billingAddress { firstName lastName phone country { code } } shippingAddress { firstName lastName phone country { code } }
  subtotal { gross { amount currency } } total { gross { amount currency } } discounts { type amount { amount currency } }
  lines { id quantity productName variantName productSku productVariantId thumbnail(size: 256) { url }
    unitPrice { gross { amount currency } } variant { id product { id slug } } } }"""

CHECKOUT = f"""subscription {{ event {{ {_HEAD}
  ... on CheckoutCreated {{ checkout {{ ...C }} }}
  ... on CheckoutUpdated {{ checkout {{ ...C }} }}
  ... on CheckoutFullyPaid {{ checkout {{ ...C }} }}
  ... on CheckoutMetadataUpdated {{ checkout {{ ...C }} }} }} }}
{CHECKOUT_FIELDS}"""

ORDER = f"""subscription {{ event {{ {_HEAD}
  ... on OrderCreated {{ order {{ ...O }} }} ... on OrderConfirmed {{ order {{ ...O }} }} ... on OrderPaid {{ order {{ ...O }} }}
  ... on OrderFullyPaid {{ order {{ ...O }} }} ... on OrderUpdated {{ order {{ ...O }} }} ... on OrderCancelled {{ order {{ ...O }} }}
  ... on OrderFulfilled {{ order {{ ...O }} }} ... on OrderRefunded {{ order {{ ...O }} }} }} }}
{ORDER_FIELDS}"""  # noqa: E501

CUSTOMER = f"""subscription {{ event {{ {_HEAD}
  ... on CustomerCreated {{ user {{ ...U }} }} ... on CustomerUpdated {{ user {{ ...U }} }}
  ... on CustomerMetadataUpdated {{ user {{ ...U }} }} ... on CustomerDeleted {{ user {{ id email }} }} }} }}
fragment U on User {{ id email firstName lastName isActive isConfirmed dateJoined languageCode metadata {{ key value }}
  defaultBillingAddress {{ phone country {{ code }} }} }}"""

VOUCHER = """subscription { event { issuedAt version __typename
  ... on VoucherCodesCreated { voucherCodes { id code used isActive createdAt } }
  ... on VoucherCodesDeleted { voucherCodes { id code } } ... on VoucherDeleted { voucher { id } } } }"""

PRODUCT = """subscription { event { issuedAt version __typename
  ... on ProductVariantBackInStock { productVariant { id sku product { id name slug } } warehouse { id } }
  ... on ProductVariantOutOfStock { productVariant { id } }
  ... on ProductVariantDiscountedPriceUpdated { variant: productVariant { id sku product { id name slug } } channel { slug } previousPrice { amount currency } newPrice { amount currency } }
  ... on ProductUpdated { product { id name slug } } ... on ProductDeleted { product { id } } } }"""  # noqa: E501

LIFECYCLE = """subscription { event { issuedAt __typename ... on AppDeleted { app { id identifier } } ... on AppStatusChanged { app { id isActive } } } }"""  # noqa: E501

# What Saleor took as a subscription stays as it is; where we ask ourselves, we ask for the category too.
_CHECKOUT = CHECKOUT_FIELDS.replace("product { id name slug", "product { id name slug category { name }")
_ORDER = ORDER_FIELDS.replace("product { id slug", "product { id slug category { name }")

#: Webhook -> what it asks for. The events of each are those that its text names.
SUBSCRIPTIONS = {
    "checkout": CHECKOUT,
    "order": ORDER,
    "customer": CUSTOMER,
    "voucher": VOUCHER,
    "product": PRODUCT,
    "app": LIFECYCLE,
}

GET_CHECKOUT = f"query ($id: ID!) {{ checkout(id: $id) {{ ...C }} }}\n{_CHECKOUT}"
GET_ORDER = f"query ($id: ID!) {{ order(id: $id) {{ ...O }} }}\n{_ORDER}"
GET_APP = "{ app { id } }"
