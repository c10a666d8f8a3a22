"""Saleor's signature, and everything that looks like one."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from retarget_plugin.exceptions import SignatureError
from retarget_plugin.hosts.saleor import signatures
from tests.saleor_captures import capture, captures, jwks

BODY = b'{"issuedAt": "2026-11-22T02:27:28+00:00"}'
DETACHED = {"b64": False, "crit": ["b64"]}


@pytest.fixture(scope="module")
def own():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def keys(own):
    return {"keys": [{**public(own), "kid": "one", "use": "sig", "alg": "RS256"}]}


@pytest.fixture(scope="module")
def attacker():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(key):
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))


def sign(key, *, body=BODY, algorithm="RS256", **headers):
    return jwt.api_jws.encode(
        body, key, algorithm=algorithm, headers={**DETACHED, "kid": "one", **headers}, is_payload_detached=True
    )


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("told", captures(), ids=lambda told: told.name)
def test_all_that_saleor_has_signed_is_believed(told):
    signatures.verify(told.signature, told.body, jwks=jwks())


def test_a_signature_holds_for_its_own_body_alone(own, keys):
    signature = sign(own)

    signatures.verify(signature, BODY, jwks=keys)
    with pytest.raises(SignatureError):
        signatures.verify(signature, BODY + b" ", jwks=keys)


def test_an_attackers_key_is_not_fetched_from_where_the_header_says(attacker, keys):
    theirs = public(attacker)

    for headers in (
        {"jwk": theirs},
        {"jku": "http://127.0.0.1:1/jwks.json"},
        {"x5u": "http://127.0.0.1:1/key.pem"},
        {"x5c": ["MIIB"]},
        {"kid": "http://127.0.0.1:1/jwks.json"},
        {"kid": "../../../../dev/null"},
        {},
    ):
        with pytest.raises(SignatureError):
            signatures.verify(sign(attacker, **headers), BODY, jwks=keys)


def test_no_other_algorithm_is_believed(own, keys):
    elliptic = ec.generate_private_key(ec.SECP256R1())
    # The old confusion: the public key, known to all, as the secret of an HMAC.
    pem = own.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    hmac_header = encode(json.dumps({"alg": "HS256", "kid": "one", **DETACHED}).encode())
    hmac_algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    confused = f"{hmac_header}..{encode(hmac_algorithm.sign(hmac_header.encode() + b'.' + BODY, pem))}"
    none = encode(json.dumps({"alg": "none", "kid": "one", **DETACHED}).encode())

    forged = [
        confused,
        f"{none}..",
        f"{none}..{encode(b'x')}",
        sign(own, algorithm="RS512"),
        sign(own, algorithm="PS256"),
        sign(elliptic, algorithm="ES256"),
    ]

    for signature in forged:
        with pytest.raises(SignatureError):
            signatures.verify(signature, BODY, jwks=keys)


def test_the_old_hmac_with_a_shared_secret_is_no_signature():
    with pytest.raises(SignatureError):
        signatures.key_id("5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd")


def test_a_signature_over_an_encoded_body_is_of_another_kind(own, keys):
    attached = jwt.api_jws.encode(BODY, own, algorithm="RS256", headers={"kid": "one"})
    header, _payload, end = attached.split(".")

    for signature in (attached, f"{header}..{end}"):
        with pytest.raises(SignatureError):
            signatures.verify(signature, BODY, jwks=keys)


@pytest.mark.parametrize("crit", [[], ["b64", "exp"], ["exp"], "b64"])
def test_what_must_be_understood_and_is_not_is_refused(own, keys, crit):
    header = encode(json.dumps({"alg": "RS256", "b64": False, "crit": crit, "kid": "one"}).encode())
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = f"{header}..{encode(algorithm.sign(header.encode() + b'.' + BODY, own))}"

    with pytest.raises(SignatureError):
        signatures.verify(signature, BODY, jwks=keys)


@pytest.mark.parametrize("kid", [None, "", 1, ["one"], {"a": 1}])
def test_a_key_must_be_named(own, keys, kid):
    header = encode(json.dumps({"alg": "RS256", "kid": kid, **DETACHED}).encode())
    algorithm = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256)
    signature = f"{header}..{encode(algorithm.sign(header.encode() + b'.' + BODY, own))}"

    with pytest.raises(SignatureError):
        signatures.verify(signature, BODY, jwks=keys)


@pytest.mark.parametrize(
    "signature",
    ["", ".", "..", "...", "a..b", "e30..e30", "e30.e30.e30", "é..é", "\0..\0", "A" * 5000, f"{'W' * 4000}..AA"],
)
def test_what_is_no_signature_is_refused_and_breaks_nothing(keys, signature):
    with pytest.raises(SignatureError):
        signatures.verify(signature, BODY, jwks=keys)


def test_another_spelling_of_the_same_bytes_is_refused():
    told = capture("006")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    # 256 bytes are 341 letters and a third of one: of its six bits four say nothing.
    last = alphabet.index(told.signature[-1])
    twins = [told.signature[:-1] + alphabet[last | bits] for bits in range(1, 16)]

    for twin in [*twins, told.signature + "=", told.signature + "==", told.signature + "\n"]:
        with pytest.raises(SignatureError):
            signatures.verify(twin, told.body, jwks=jwks())


@pytest.mark.parametrize("broken", [{}, {"keys": []}, {"keys": [None, 1]}, {"keys": [{"kid": "one", "kty": "RSA"}]}])
def test_keys_that_are_none_believe_nobody(own, broken):
    with pytest.raises(SignatureError):
        signatures.verify(sign(own), BODY, jwks=broken)
