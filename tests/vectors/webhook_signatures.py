"""Stand-alone (stdlib only) restatement of the webhook / request signature
algorithms of SMS gateways and others, with test vectors.

Vectors marked UPSTREAM come from the vendor SDK's own test-suite (path given);
vectors marked COMPUTED were produced by running the vendor SDK's code on the
inputs shown.  Everything below is own wording of the algorithm.
"""
import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlsplit, urlunsplit


# --------------------------------------------------------------- Twilio
def twilio_signature(token, url, params=None):
    """params: dict name -> str | list[str] (POST form). JSON body: params=None."""
    s = url
    for name in sorted(params or {}):
        v = params[name]
        for item in sorted(set(v)) if isinstance(v, (list, tuple, set)) else [v]:
            s += name + item
    return base64.b64encode(hmac.new(token.encode(), s.encode(), hashlib.sha1).digest()).decode()


# --------------------------------------------------------------- Vonage SMS API
def vonage_sig(secret, params, method="md5hash"):
    """method: md5hash (plain MD5 of string+secret) | md5 | sha1 | sha256 | sha512 (HMAC)."""
    s = ""
    for k in sorted(p for p in params if p != "sig"):
        v = str(params[k]).replace("&", "_").replace("=", "_")
        s += "&%s=%s" % (k, v)
    if method == "md5hash":
        return hashlib.md5((s + secret).encode()).hexdigest()
    return hmac.new(secret.encode(), s.encode(), getattr(hashlib, method)).hexdigest()


# --------------------------------------------------------------- OVH (outgoing request)
def ovh_signature(app_secret, consumer_key, method, url, body, ts):
    raw = "+".join([app_secret, consumer_key, method.upper(), url, body, str(ts)])
    return "$1$" + hashlib.sha1(raw.encode()).hexdigest()


# --------------------------------------------------------------- Plivo
def plivo_v2(token, url, nonce):
    u = urlsplit(url)
    base = urlunsplit((u.scheme, u.netloc, u.path, "", ""))
    return base64.b64encode(hmac.new(token.encode(), (base + nonce).encode(), hashlib.sha256).digest()).decode()


def plivo_v3(token, method, url, nonce, params=None):
    """params: the POST form fields; for GET leave them in the URL's query."""
    params = params or {}
    u = urlsplit(url)
    q = parse_qs(u.query, keep_blank_values=True)
    query = "&".join("%s=%s" % (k, v) for k in sorted(q) for v in sorted(q[k]))
    base = urlunsplit((u.scheme, u.netloc, u.path, "", ""))
    if method.upper() == "GET":
        if query:
            base += "?" + query
    else:
        if query or params:
            base += "?" + query
        if query and params:
            base += "."
        for k in sorted(params):
            v = params[k]
            for item in sorted(v) if isinstance(v, list) else [v]:
                base += k + item
    return base64.b64encode(hmac.new(token.encode(), (base + "." + nonce).encode(), hashlib.sha256).digest()).decode()


# --------------------------------------------------------------- Sinch (when enabled)
def sinch_sig(secret, body, nonce, timestamp):
    return base64.b64encode(
        hmac.new(secret.encode(), ("%s.%s.%s" % (body, nonce, timestamp)).encode(), hashlib.sha256).digest()
    ).decode()


# --------------------------------------------------------------- Standard Webhooks (Bird platform API)
def standard_webhook_sig(secret, msg_id, timestamp, body):
    """secret "whsec_<base64>"; body bytes; header webhook-signature: "v1,<this>" (space separated list)."""
    key = base64.b64decode(secret[6:] if secret.startswith("whsec_") else secret)
    signed = msg_id.encode() + b"." + str(timestamp).encode() + b"." + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


# --------------------------------------------------------------- JWT HS256 (Vonage Messages, MessageBird)
def _b64d(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def _b64e(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def jwt_hs256(claims, secret):
    h = _b64e(json.dumps({"alg": "HS256", "typ": "JWT"}, separators=(",", ":")).encode())
    p = _b64e(json.dumps(claims, separators=(",", ":")).encode())
    sig = hmac.new(secret.encode(), ("%s.%s" % (h, p)).encode(), hashlib.sha256).digest()
    return "%s.%s.%s" % (h, p, _b64e(sig))


def jwt_decode_hs256(token, secret):
    h, p, s = token.split(".")
    if json.loads(_b64d(h))["alg"] != "HS256":
        raise ValueError("alg")
    good = hmac.new(secret.encode(), ("%s.%s" % (h, p)).encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(good, _b64d(s)):
        raise ValueError("signature")
    return json.loads(_b64d(p))


# --------------------------------------------------------------- Meta / WhatsApp
def meta_hub_signature(app_secret, body):
    return "sha256=" + hmac.new(app_secret.encode(), body, hashlib.sha256).hexdigest()


def check():
    # UPSTREAM twilio/twilio-python tests/unit/test_request_validator.py
    uri = "https://mycompany.com/myapp.php?foo=1&bar=2"
    p = {"CallSid": "CA1234567890ABCDE", "Digits": "1234", "From": "+14158675309",
         "To": "+18005551212", "Caller": "+14158675309"}
    assert twilio_signature("12345", uri, p) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="
    p = {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]}
    assert twilio_signature("12345", uri, p) == "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    body = '{"property": "value", "boolean": true}'
    h = hashlib.sha256(body.encode()).hexdigest()
    assert h == "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
    assert twilio_signature("12345", uri + "&bodySHA256=" + h) == "a9nBmqA0ju/hNViExpshrM61xv4="

    # UPSTREAM Vonage/vonage-python-sdk http_client/tests/test_auth.py
    v = {"param1": "value1", "param2": "value2", "timestamp": 1234567890}
    assert vonage_sig("signature_secret", v, "sha256") == \
        "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287"
    assert vonage_sig("signature_secret", v, "md5") == "724c2bf6ca423c36e20631b11d1c5753"
    v = {"param1": "value&1", "param2": "value=2", "timestamp": 1234567890}
    assert vonage_sig("signature_secret", v, "md5") == "2bbf0abafb2c55e5af6231513896a2ac"
    assert vonage_sig("signature_secret", {"param": "value", "timestamp": 1234567890, "sig": "x"}, "md5") == \
        "655a4d0b7f064dff438defc52b012cf5"

    # UPSTREAM ovh/python-ovh tests/test_client.py
    o = ("9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk", "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY")
    u = "https://eu.api.ovh.com/1.0/auth"
    assert ovh_signature(*o, "GET", u, "", 1457018875) == "$1$e9556054b6309771395efa467c22e627407461ad"
    assert ovh_signature(*o, "POST", u, '{"a":"b","c":"d"}', 1457018875) == \
        "$1$ec2fb5c7a81f64723c77d2e5b609ae6f58a84fc1"

    # UPSTREAM plivo/plivo-python tests/resources/test_signature.py
    assert plivo_v2("my_auth_token", "https://answer.url", "12345") == \
        "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc="
    # COMPUTED with plivo/utils/signature_v3.py
    for (m, url, prm), want in PLIVO_V3.items():
        got = plivo_v3("my_auth_token", m, url, "12345", dict(prm))
        assert got == want, (m, url, prm, got, want)

    # COMPUTED with sinch-sdk-python authentication_validation.py
    assert sinch_sig("KayakingTheSwell", '{"type":"mo_text"}', "n1", "1700000000") == SINCH

    # COMPUTED with messagebird/bird-sdk-python resources/webhooks.py algorithm and its test secret
    assert standard_webhook_sig(SW_SECRET, "msg_1", 1700000000, SW_BODY) == SW_SIG

    # UPSTREAM messagebird/python-rest-api tests/test_request_validator/webhook_signature_test_data.json
    c = jwt_decode_hs256(MB_TOKEN, MB_SECRET)
    assert c["iss"] == "MessageBird" and c["nbf"] == 1625479200 and c["exp"] == 1625479260
    assert c["url_hash"] == hashlib.sha256(b"https://example.com/path?bar=1&foo=2").hexdigest()
    assert c["payload_hash"] == hashlib.sha256(b"Hello, World!").hexdigest()
    assert jwt_decode_hs256(jwt_hs256({"a": 1}, "k"), "k") == {"a": 1}
    print("all vectors OK")


PLIVO_V3 = {('GET', 'https://shop.example/hooks/plivo/?t=abc&Status=delivered&From=33612345678', ()): 'Tmi49w4b6ePJHadtEHwhqP7O77ZUxfFYc/9gm9Ak61k=',
 ('POST', 'https://shop.example/hooks/plivo/', (('From', '33612345678'), ('MessageUUID', 'u-1'), ('Status', 'delivered'), ('To', '36180'))): 'AzQ0nHWJCr8FBA3VHZeiCLq7DdeiPJk5ZBzNEzAA6L0=',
 ('POST', 'https://shop.example/hooks/plivo/?t=abc&a=1', (('From', '33612345678'), ('Status', 'delivered'))): 'kr8jslA2khNnsnNVumPY6XTXqWUGfyEU5Ta3AIp55ss='}
SINCH = 'RqCm+1RBqvmR8ZJ7GjOQCEhs/71L2N7l3sfTtGfkEFs='
SW_SECRET = 'whsec_MDEyMzQ1Njc4OWFiY2RlZg=='
SW_BODY = b'{"type":"sms.received","timestamp":"2026-05-21T12:00:00Z","data":{"sms_id":"sms_01krdgeqcxet5s7t44vh8rt9mg","from":"+33612345678","to":"+33757000000","text":"STOP"}}'
SW_SIG = '/OP/NZ1wK/X+cI6gS6U0V2nv8C1kCHOKaPCqjrtMTLw='
MB_SECRET = '36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb'
MB_TOKEN = (
    'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZ'
    'XhwIjoxNjI1NDc5MjYwLCJqdGkiOiI5M2U1NTAwNi1hMGU4LTQ1MjYtYTE5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGF'
    'zaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3YzQ1NzJkOWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyN'
    'jAiLCJwYXlsb2FkX2hhc2giOiJkZmZkNjAyMWJiMmJkNWIwYWY2NzYyOTA4MDllYzNhNTMxOTFkZDgxYzdmNzBhNGI'
    'yODY4OGEzNjIxODI5ODZmIn0._H--TOuYFLpeEH39-rg5E3IHVkjHozBcaKVWPRC5m9I'
)

if __name__ == "__main__":
    check()
