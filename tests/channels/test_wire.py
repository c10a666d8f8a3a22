"""Over TLS and through proxies, too, a failed request knows whether it had left."""

from __future__ import annotations

import datetime
import ipaddress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from retarget_plugin.channels.sms import transport
from retarget_plugin.channels.sms.transport import Answer, Transport
from tests import inside
from tests.fakes.web import PATIENCE_SECONDS, Call, Fault, Reply, WebFake, closed_port


class Server(WebFake):
    def answer(self, call: Call) -> Reply:
        return Reply(200, {"fine": True})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A PEM file with a key and its self-signed certificate for 127.0.0.1 and loopback.example."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("loopback.example")]
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server(certificate):
    with Server(certificate=certificate) as running:
        yield running


@pytest.fixture
def line(monkeypatch):
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    opened = Transport(connect_seconds=PATIENCE_SECONDS, read_seconds=PATIENCE_SECONDS)
    yield opened
    opened.close()


def test_trusted_certificate(line, server, certificate, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    assert line.call("POST", server.url, form={"a": "b"}).document == {"fine": True}


@pytest.mark.parametrize(("name", "calls"), [("loopback.example", 1), ("127.0.0.1.example.com", 0)])
def test_a_certificate_is_that_of_the_name_and_not_of_its_address(line, server, certificate, monkeypatch, name, calls):
    inside.Net(monkeypatch)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    line.call("POST", server.url.replace("127.0.0.1", name), form={"a": "b"})

    assert len(server.calls) == calls


@pytest.mark.parametrize(
    "fault", [Fault.HANG_AFTER_BODY, Fault.RESET_AFTER_BODY, Fault.CLOSE_AFTER_BODY, Fault.GARBAGE_AFTER_BODY]
)
def test_silence_after_the_body_is_unknown(line, server, certificate, monkeypatch, fault):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server.every_answer = fault

    assert line.call("POST", server.url, form={"a": "b"}).kind == "unknown"
    assert len(server.calls) == 1


def test_unknown_certificate_is_transient(line, server):
    assert line.call("POST", server.url, form={"a": "b"}).kind == "transient"
    assert server.calls == []


def test_missing_bundle_is_a_matter_of_configuration(line, server, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")

    assert line.call("POST", server.url).kind == "misconfigured"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_proxy_that_is_not_there_is_transient(line, monkeypatch, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{closed_port()}")

    assert line.call("POST", f"{scheme}://gateway.example/", form={"a": "b"}).kind == "transient"


def test_proxy_that_refuses_the_tunnel_is_transient(line, monkeypatch):
    with Server() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        # The fake knows no CONNECT and answers 501: the request itself stayed at home.
        assert line.call("POST", "https://gateway.example/", form={"a": "b"}).kind == "transient"


def test_proxy_that_hangs_after_a_plain_request_leaves_it_unknown(line, monkeypatch):
    with Server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        proxy.every_answer = Fault.HANG_AFTER_BODY

        assert line.call("POST", "http://gateway.example/", form={"a": "b"}).kind == "unknown"
        assert len(proxy.calls) == 1


def test_credentials_of_netrc_are_not_sent(line, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login root password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))

    with Server() as server:
        line.call("POST", server.url)

    assert "Authorization" not in server.calls[0].headers


def test_cookies_are_not_kept(line):
    with Server() as server:
        server.next_answers = [Reply(200, {}, headers={"Set-Cookie": "session=1"})]
        line.call("POST", server.url)
        line.call("POST", server.url)

    assert "Cookie" not in server.calls[1].headers


def test_body_that_drips_too_long_is_cut(line, monkeypatch):
    monkeypatch.setattr(line, "_body_seconds", 0.1)

    with Server() as server:
        server.every_answer = Fault.DRIP
        server.drip_seconds = 0.05
        answer = line.call("POST", server.url)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.is_whole, answer.document) == (200, False, None)
    assert len(answer.body) < len(b'{"fine": true}')


def test_huge_body_is_cut(line):
    with Server() as server:
        server.every_answer = Fault.HUGE_SUCCESS
        answer = line.call("POST", server.url)

    assert isinstance(answer, Answer)
    assert (len(answer.body), answer.is_whole) == (transport.LARGEST_ANSWER, False)


@pytest.mark.parametrize("url", ["http://", "nonsense", "ftp://x.example/", "http://[::1", "http://x y/", "http://*/"])
def test_address_that_is_none_is_a_matter_of_configuration(line, url):
    assert line.call("POST", url).kind == "misconfigured"


@pytest.mark.parametrize("value", ["two\r\nlines", " space in front", "\u4f60"])
def test_header_that_cannot_be_sent_is_a_matter_of_configuration(line, value):
    with Server() as server:
        assert line.call("POST", server.url, headers={"Idempotency-Key": value}).kind == "misconfigured"

    assert server.calls == []
