"""Normal forms of addresses and numbers, and what is no address at all."""

import pytest

from retarget_plugin.domain.contacts import is_costly, normalize_email, normalize_phone


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Ana.Martin@Example.COM ", "ana.martin@example.com"),
        ("ana+shop@example.com", "ana+shop@example.com"),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("o'neil@example.ie", "o'neil@example.ie"),
    ],
)
def test_addresses_have_one_form(typed, stored):
    assert normalize_email(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ana",
        "ana@localhost",
        "ana@[127.0.0.1]",
        "ana@127.0.0.1",
        '"<script>alert(1)</script>"@x.com',
        "=cmd@x.com",
        "-oX@x.com",
        "ana@x.com\r\nBcc: b@x.com",
        "a@x.com, b@x.com",
        "a b@x.com",
        "a..b@x.com",
        ".a@x.com",
        "ana@x..com",
        "ana@-x.com",
        "%0aBcc@x.com",
        "ａna@x.com",
        "ana@x.com\x00",
        "a" * 65 + "@x.com",
        "a@" + "x" * 250 + ".com",
        "\u202eana@x.com",
        "ana@\u200bx .com",
    ],
)
def test_hostile_or_unusable_addresses_are_refused(typed):
    assert normalize_email(typed) == ""


@pytest.mark.parametrize(
    ("typed", "country", "stored"),
    [
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("+33 6 12 34 56 78", "", "+33612345678"),
        ("+33\u00a06\u202f12 34 56 78", "ES", "+33612345678"),
        ("(415) 555-2671", "US", "+14155552671"),
        ("612 34 56 78", "ES", "+34612345678"),
    ],
)
def test_numbers_have_one_form(typed, country, stored):
    assert normalize_phone(typed, country) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "911",
        "0892 70 12 39",  # premium
        "01 23 45 67 89",  # a landline
        "+1 900 555 1234",
        "+979 123 456 789",
        "+882 16 1234567",  # satellite
        "1-800-FLOWERS",
        "٠٦١٢٣٤٥٦٧٨",
        "０６１２３４５６７８",
        "06 12 34 56 78 ext. 5",
        "06\u200b12345678",
        "+33 6 12 34 56",
        "6" * 50,
    ],
)
def test_numbers_that_must_not_be_texted_are_refused(typed):
    assert normalize_phone(typed, "FR") == ""


@pytest.mark.parametrize(
    ("number", "is_so"),
    [
        ("+33892701239", True),  # premium
        ("+33811000000", True),  # shared cost
        ("+19005551234", True),
        ("+979123456789", True),
        ("+8821612345678", True),  # satellite
        ("+881612345678", True),
        ("+870773111632", True),
        ("+33612345678", False),
        ("+15005550006", False),
        ("+447700900123", False),
        ("+99912345678", False),
        ("36111", False),
    ],
)
def test_numbers_that_bill_more_than_a_text_are_known(number, is_so):
    assert is_costly(number) is is_so
