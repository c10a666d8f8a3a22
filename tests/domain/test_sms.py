"""Segments exactly as networks count them, and letters that keep a text cheap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retarget_plugin.domain.sms import ALPHABET, EXTENSION, Encoding, SmsMeasure, measure, transliterate

GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2

VECTORS = [
    ("", GSM7, 0, 1),
    ("a" * 160, GSM7, 160, 1),
    ("a" * 161, GSM7, 161, 2),
    ("a" * 306, GSM7, 306, 2),
    ("a" * 307, GSM7, 307, 3),
    ("a" * 459, GSM7, 459, 3),
    ("a" * 460, GSM7, 460, 4),
    ("a" * 918, GSM7, 918, 6),
    ("é" * 160, GSM7, 160, 1),
    ("€" * 80, GSM7, 160, 1),
    ("€" * 81, GSM7, 162, 2),
    ("a" * 159 + "€", GSM7, 161, 2),
    ("a" * 152 + "€" + "a" * 153, GSM7, 307, 3),
    ("a" * 153 + "€" + "a" * 151, GSM7, 306, 2),
    ("ê", UCS2, 1, 1),
    ("ç", UCS2, 1, 1),
    ("Ç", GSM7, 1, 1),
    ("\x1b", UCS2, 1, 1),
    ("’", UCS2, 1, 1),
    ("\u00a0", UCS2, 1, 1),
    ("ê" * 70, UCS2, 70, 1),
    ("ê" * 71, UCS2, 71, 2),
    ("ê" * 134, UCS2, 134, 2),
    ("ê" * 135, UCS2, 135, 3),
    ("ê" * 201, UCS2, 201, 3),
    ("ê" * 202, UCS2, 202, 4),
    ("😀" * 35, UCS2, 70, 1),
    ("😀" * 36, UCS2, 72, 2),
    ("a" * 66 + "😀" + "a" * 66, UCS2, 134, 3),
    ("Prêt à l'été ? -10€", UCS2, 19, 1),
    ("Pret a l'ete ? -10€", GSM7, 20, 1),
]


@pytest.mark.parametrize(("text", "encoding", "units", "segments"), VECTORS)
def test_a_text_is_measured_as_the_network_counts_it(text, encoding, units, segments):
    assert measure(text) == SmsMeasure(encoding=encoding, units=units, segments=segments)


@pytest.mark.parametrize("character", "àéèùÉÇäöñüÄÖÑÜÆæìòøåß§£¤¿¡")
def test_accents_of_the_alphabet_cost_one_septet(character):
    assert measure(character) == SmsMeasure(GSM7, 1, 1)


@pytest.mark.parametrize("character", "^{}\\[~]|€\f")
def test_the_extension_table_costs_two_septets(character):
    assert measure(character) == SmsMeasure(GSM7, 2, 1)


@pytest.mark.parametrize("character", "âêîôûëïÿçœŒÀÂÈÊËÎÏÔÙÛŸ’‘“”«»…–—°•²`´©®™×÷ªº\u00a0\u202f")
def test_one_other_character_takes_the_whole_text_to_ucs2(character):
    assert measure("a" * 70 + character) == SmsMeasure(UCS2, 71, 2)


def septets(text: str) -> list[bytes] | None:
    """An encoder of its own: each character as the bytes that may not be torn apart, or None outside GSM-7."""
    encoded = []
    for character in text:
        if character == "\x1b":
            return None
        if character in EXTENSION:
            encoded.append(b"\x1b" + bytes([0]))
        elif character in ALPHABET:
            encoded.append(bytes([ALPHABET.index(character)]))
        else:
            return None
    return encoded


def fewest_segments(pieces: list[bytes], unit: int, single: int, each: int) -> int:
    """Cut the encoded stream at the last border between characters that still fits, until nothing is left."""
    stream = b"".join(pieces)
    if len(stream) <= single * unit:
        return 1
    borders = {0}
    for piece in pieces:
        borders.add(max(borders) + len(piece))
    cut, segments = 0, 0
    while cut < len(stream):
        cut = max(border for border in borders if border <= cut + each * unit)
        segments += 1
    return segments


LETTERS = st.text(st.sampled_from(ALPHABET + EXTENSION), max_size=700)
ANY = st.text(st.one_of(st.sampled_from("aé€[ê😀"), st.characters(codec="utf-8")), max_size=300)


@given(st.one_of(LETTERS, ANY))
def test_segments_agree_with_cutting_the_encoded_bytes(text):
    pieces = septets(text)
    wide = [character.encode("utf-16-be") for character in text]

    measured = measure(text)

    if pieces is not None:
        expected = SmsMeasure(GSM7, sum(map(len, pieces)), fewest_segments(pieces, 1, 160, 153))
    else:
        expected = SmsMeasure(UCS2, sum(map(len, wide)) // 2, fewest_segments(wide, 2, 70, 67))
    assert measured == expected


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Prêt à l’été ?", "Prêt à l'été ?".replace("ê", "e")),
        ("çÇ éèàù É", "cÇ éèàù É"),
        ("œuvre Œuvre", "oeuvre OEuvre"),
        ("À Â È Ê Ë Î Ï Ô Ù Û Ÿ â ê î ô û ë ï ÿ", "A A E E E I I O U U Y a e i o u e i y"),
        ("«\u00a0Oui\u00a0»", '"Oui"'),
        ("12\u202f345,00\u00a0€", "12 345,00 €"),
        ("dès demain… – c’est – “prêt”", 'dès demain... - c\'est - "pret"'),
        ("25 m² • 20 °C × 2", "25 m2 * 20 oC x 2"),
        ("Acme™ © ®", "AcmeTM (c) (R)"),
        ("mañana, ¿qué? ¡sí!", "mañana, ¿qué? ¡si!"),
        ("Škoda Łódź", "Skoda Lódz".replace("ó", "o")),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth"),
        ("日本 😀", "日本 😀"),
    ],
)
def test_letters_are_replaced_by_what_looks_like_them(text, plain):
    assert transliterate(text) == plain


@given(LETTERS)
def test_what_already_fits_is_left_alone(text):
    assert transliterate(text.replace("\x1b", "")) == text.replace("\x1b", "")


@given(ANY)
def test_plain_letters_never_cost_more_segments_of_another_alphabet(text):
    plain = transliterate(text)

    assert transliterate(plain) == plain
    assert measure(text).encoding is UCS2 or measure(plain).encoding is GSM7
