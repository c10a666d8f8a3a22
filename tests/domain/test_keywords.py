"""What a text that somebody sends is taken for, in five languages."""

import pytest

from retarget_plugin.domain.keywords import HELP_WORDS, START_WORDS, STOP_WORDS, Keyword, read


@pytest.mark.parametrize(
    ("words", "keyword"), [(STOP_WORDS, Keyword.STOP), (START_WORDS, Keyword.START), (HELP_WORDS, Keyword.HELP)]
)
def test_every_word_counts_however_it_is_written(words, keyword):
    for word in words:
        assert {read(text) for text in (word, word.lower(), f"  {word.title()}.\n", f"\u201c{word}\u201d !")} == {
            keyword
        }


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("Arrêt", Keyword.STOP),
        ("ＳＴＯＰ", Keyword.STOP),
        ("STOP 36111", Keyword.STOP),
        ("stop please", Keyword.STOP),
        ("Opt out", Keyword.STOP),
        ("Please stop texting me", Keyword.STOP),
        ("plus de SMS svp", Keyword.STOP),
        ("date de baja por favor", Keyword.STOP),
        ("keine Nachrichten mehr", Keyword.STOP),
        ("Start", Keyword.START),
        ("start now", None),
        ("yes", Keyword.START),
        ("yes please call me", None),
        ("info livraison ?", Keyword.HELP),
        ("When does the bus stop here?", None),
        ("unstoppable", None),
        ("S T O P", None),
        ("", None),
        ("👍", None),
        ("x" * 10_000 + " stop texting me", None),
    ],
)
def test_a_stop_is_seen_in_other_words_and_a_start_stands_alone(text, keyword):
    assert read(text) is keyword


def test_a_shop_adds_words_of_its_own():
    assert read("Ухожу", stop_words=["ухожу"]) is Keyword.STOP
    assert read("Ухожу") is None
