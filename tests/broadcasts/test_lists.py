"""Lists of recipients as people paste them."""

import pytest

from vkteams_bot.broadcasts.lists import PROBLEMS_TOLD, Recipient, RecipientList


def read(text: str) -> list[Recipient]:
    found = RecipientList(text)
    recipients = list(found)
    assert not found.problems
    return recipients


def test_one_id_per_line():
    assert read("a@corp.example\n\n  b@corp.example \r\n1234567890") == [
        Recipient("a@corp.example"),
        Recipient("b@corp.example"),
        Recipient("1234567890"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_with_columns(delimiter):
    lines = [["\ufeffName", "chat_id", "Order No", ""], ["Anna", " a@corp.example", "17", "x"], ["", "b", "18", ""]]
    assert read("\n".join(delimiter.join(cells) for cells in lines)) == [
        Recipient("a@corp.example", {"Name": "Anna", "Order_No": "17"}),
        Recipient("b", {"Name": "", "Order_No": "18"}),
    ]


def test_a_table_of_one_column_and_quoted_cells():
    assert read("CHAT_ID\na\nb") == [Recipient("a"), Recipient("b")]
    assert read('chat_id,sum\na,"1,5 ""net"""') == [Recipient("a", {"sum": '1,5 "net"'})]


def test_short_lines_leave_columns_out():
    assert read("chat_id,sum\na") == [Recipient("a", {})]


def test_a_chat_counts_once():
    assert read("chat_id,sum\na,1\nb,2\na,3") == [Recipient("a", {"sum": "1"}), Recipient("b", {"sum": "2"})]


def test_however_it_is_capitalised():
    assert read("Anna@Corp.example\nanna@corp.example") == [Recipient("Anna@Corp.example")]


def test_a_quote_without_a_partner_takes_nobody_along():
    lines = ["chat_id,name", "a,Anna", 'b,"Boris', *(f"user{number},{'x' * 80}" for number in range(5_000))]
    for text in ("\n".join(lines[:50]), "\n".join(lines)):
        found = RecipientList(text)
        assert "a" in {recipient.chat_id for recipient in found}
        assert found.check()[0].startswith("line 3: it cannot be read")
    assert RecipientList("chat_id," + "x" * 200_000).check()[0].startswith("line 1: it cannot be read")


def test_bad_lines_are_told_with_their_numbers_and_left_out():
    found = RecipientList("a\nno id\n\n" + "x" * 256 + "\nb")
    assert [recipient.chat_id for recipient in found] == ["a", "b"]
    assert found.problems == ["line 2: “no id” is no chat id", f"line 4: “{'x' * 40}” is no chat id"]


def test_bad_lines_of_a_table():
    found = RecipientList('chat_id;user;1st;sum;sum\n;1\na;1;2;3;4;5\n"b";Anna')
    assert found.check() == [
        "line 1: a column cannot be called “user”",
        "line 1: a column cannot be called “1st”",
        "line 1: two columns are called “sum”",
        "line 2: no chat id",
        "line 3: more cells than columns",
    ]
    assert list(found) == [Recipient("b", {})]


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff", "chat_id,name\n"])
def test_an_empty_list_is_a_problem(text):
    assert RecipientList(text).check() == ["line 1: the list is empty"]


def test_many_problems_are_counted():
    told = RecipientList("b d\n" * 100).check()
    assert len(told) == PROBLEMS_TOLD + 1
    assert told[-1] == "… and 80 more lines"


def test_a_hundred_thousand_lines():
    text = "chat_id;n\n" + "".join(f"user{number}@corp.example;{number}\n" for number in range(100_000))
    found = RecipientList(text)
    assert sum(1 for _ in found) == 100_000
    assert not found.problems
