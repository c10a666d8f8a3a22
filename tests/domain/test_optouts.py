"""Lists of numbers that said STOP, as consoles export them and as people save them."""

import pytest

from retarget_plugin.domain.optouts import OptOuts, read
from retarget_plugin.exceptions import InputError

ANA, BOB = "+33612345678", "+14155552671"


@pytest.mark.parametrize(
    "text",
    [
        "+33612345678\n+14155552671\n",
        "33612345678\r\n14155552671\r\n33612345678",
        "\ufeff0033612345678\n\n  +1 (415) 555-2671  \n",
        "Phone Number\n'+33612345678'\n\"+14155552671\"\n",
        'Date,Number,Reason\n2026-11-01,"+33612345678",STOP\n2026-11-02,"+14155552671",STOP\n',
        "id;msisdn\n14155550199;33612345678\n14155550198;14155552671\n",
        "To\tOpted out at\n+33612345678\t1\n+14155552671\t2\n",
    ],
)
def test_every_form_holds_the_same_numbers(text):
    assert read(text) == OptOuts((ANA, BOB), ())


def test_a_line_without_a_number_is_refused_by_its_place_and_the_others_count():
    lines = [
        ANA,
        "hello",
        "+33892701239",
        "",
        "+8821612345678",
        '"',
        "36111",
        "０６１２３４５６７８",
        "+33612345678 ext. 5",
        BOB,
    ]

    assert read("\n".join(lines)) == OptOuts((ANA, BOB), (2, 3, 5, 6, 7, 8, 9))


def test_a_short_line_of_a_table_is_refused():
    assert read("id,number\n1\n2,33612345678\n") == OptOuts((ANA,), (2,))


def test_numbers_as_written_at_home_need_a_country():
    assert read("06 12 34 56 78\n33612345678\n0033612345678", country="FR") == OptOuts((ANA,), ())
    assert read("06 12 34 56 78") == OptOuts((), (1,))


def test_the_column_can_be_named():
    assert read("who,where\n+14155552671,+33612345678\n", column="WHERE") == OptOuts((ANA,), ())


@pytest.mark.parametrize(
    ("text", "column"), [("who,where\n1,2", ""), ("number,phone\n1,2", ""), ("who,where\n1,2", "when"), (ANA, "number")]
)
def test_a_column_is_never_guessed(text, column):
    with pytest.raises(InputError):
        read(text, column=column)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_an_empty_list_is_empty(text):
    assert read(text) == OptOuts((), ())
