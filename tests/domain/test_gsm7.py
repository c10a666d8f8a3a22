"""The alphabet of 3GPP TS 23.038, its segments and its look-alikes, row by row as the standard prints them."""

import pytest

from retarget_plugin.domain.sms import ALPHABET, EXTENSION, Encoding, SmsMeasure, measure, transliterate

GSM7, UCS2 = Encoding.GSM7, Encoding.UCS2

# The default alphabet: a row is the high half of the code, a column its low half.
ROWS = """
@ £ $ ¥ è é ù ì ò Ç LF Ø ø CR Å å
Δ _ Φ Γ Λ Ω Π Ψ Σ Θ Ξ ESC Æ æ ß É
SP ! " # ¤ % & ' ( ) * + , - . /
0 1 2 3 4 5 6 7 8 9 : ; < = > ?
¡ A B C D E F G H I J K L M N O
P Q R S T U V W X Y Z Ä Ö Ñ Ü §
¿ a b c d e f g h i j k l m n o
p q r s t u v w x y z ä ö ñ ü à
"""
NAMED = {"LF": "\n", "CR": "\r", "SP": " ", "ESC": "\x1b"}
CODES = [
    (16 * row + column, NAMED.get(name, name))
    for row, line in enumerate(ROWS.strip().splitlines())
    for column, name in enumerate(line.split())
]


@pytest.mark.parametrize(("code", "character"), CODES, ids=lambda value: str(value).encode("unicode_escape").decode())
def test_every_code_of_the_default_alphabet_is_one_septet(code, character):
    is_escape = character == "\x1b"

    assert ALPHABET[code] == character
    assert measure(character) == SmsMeasure(UCS2 if is_escape else GSM7, 1, 1)


def test_the_default_alphabet_has_128_codes():
    assert (len(CODES), len(ALPHABET), len(set(ALPHABET))) == (128, 128, 128)


@pytest.mark.parametrize("character", ["\f", "^", "{", "}", "\\", "[", "~", "]", "|", "€"])
def test_every_code_of_the_extension_table_is_two_septets(character):
    assert measure(character) == SmsMeasure(GSM7, 2, 1)
    assert (len(EXTENSION), len(set(EXTENSION))) == (10, 10)


@pytest.mark.parametrize(
    ("shortest", "longest", "segments"),
    [(0, 160, 1), (161, 306, 2), (307, 459, 3), (460, 612, 4), (613, 765, 5), (766, 918, 6), (919, 1071, 7)],
)
def test_segments_of_gsm_7(shortest, longest, segments):
    assert [measure("a" * length) for length in (shortest, longest)] == [
        SmsMeasure(GSM7, shortest, segments),
        SmsMeasure(GSM7, longest, segments),
    ]


@pytest.mark.parametrize(
    ("shortest", "longest", "segments"), [(1, 70, 1), (71, 134, 2), (135, 201, 3), (202, 268, 4), (269, 335, 5)]
)
def test_segments_of_ucs_2(shortest, longest, segments):
    assert [measure("ê" * length) for length in (shortest, longest)] == [
        SmsMeasure(UCS2, shortest, segments),
        SmsMeasure(UCS2, longest, segments),
    ]


@pytest.mark.parametrize("character", "àéèùÉÇ")
def test_french_letters_of_the_alphabet_cost_nothing_and_are_kept(character):
    assert measure("a" * 159 + character) == SmsMeasure(GSM7, 160, 1)
    assert transliterate(character) == character


# Code 9 is drawn as Ç; some gateways take it for ç. What is counted may be too much, never too little.
@pytest.mark.parametrize(
    ("character", "plain"), [("ç", "c"), ("ê", "e"), ("â", "a"), ("î", "i"), ("ô", "o"), ("û", "u")]
)
def test_one_french_letter_outside_the_alphabet_halves_the_room(character, plain):
    written = "a" * 159 + character

    assert measure(written) == SmsMeasure(UCS2, 160, 3)
    assert measure(transliterate(written)) == SmsMeasure(GSM7, 160, 1)
    assert transliterate(character) == plain


@pytest.mark.parametrize("character", "ğışĞŞİáíóúÁÍÓÚãõÃÕ")
def test_no_national_table_is_assumed(character):
    assert measure(character) == SmsMeasure(UCS2, 1, 1)


@pytest.mark.parametrize(
    ("characters", "plain"),
    [
        ("’‘´`", "'"),
        ("“”«»", '"'),
        ("…", "..."),
        ("–—", "-"),
        ("•", "*"),
        ("°", "o"),
        ("\u00a0\u202f\u2009", " "),
        ("²", "2"),
        ("×", "x"),
        ("™", "TM"),
        ("©", "(c)"),
        ("®", "(R)"),
        ("œ", "oe"),
        ("Œ", "OE"),
        ("À", "A"),
        ("Â", "A"),
        ("ÈÊË", "E"),
        ("ÎÏ", "I"),
        ("Ô", "O"),
        ("ÙÛ", "U"),
        ("Ÿ", "Y"),
        ("ë", "e"),
        ("ï", "i"),
        ("ÿ", "y"),
    ],
)
def test_what_typography_writes_has_a_look_alike(characters, plain):
    assert [transliterate(character) for character in characters] == [plain] * len(characters)
    assert measure(characters).encoding is UCS2
    assert measure(plain).encoding is GSM7
