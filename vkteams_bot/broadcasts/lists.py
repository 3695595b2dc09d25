"""An explicit list of recipients: chat ids, one per line, or CSV with a header that names the column chat_id."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

CHAT_ID = "chat_id"
DELIMITERS = ",;\t"
RESERVED = frozenset({CHAT_ID, "contact", "user"})
LONGEST_CHAT_ID = 255
PROBLEMS_TOLD = 20
_COLUMN = re.compile(r"[^\W\d_]\w*")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A chat, and the columns of its line."""

    chat_id: str
    vars: dict[str, str] = field(default_factory=dict)


class RecipientList:
    """Iterates the recipients of a text, each once, however it is capitalised: the first line of a chat counts.

    A line that cannot be read is left out and told in `problems`, which is complete after a whole iteration.
    """

    def __init__(self, text: str) -> None:
        self._lines = text.removeprefix("\ufeff").splitlines()
        self.problems: list[str] = []
        self.problems_left_out = 0

    def __iter__(self) -> Iterator[Recipient]:
        self.problems, self.problems_left_out = [], 0
        seen: set[str] = set()
        for recipient in self._read():
            key = recipient.chat_id.casefold()
            if key not in seen:
                seen.add(key)
                yield recipient

    def check(self) -> list[str]:
        """What is wrong, at most PROBLEMS_TOLD lines of it."""
        count = sum(1 for _recipient in self)
        if not count and not self.problems:
            self._tell(1, _("the list is empty"))
        left_out = [_("… and %(count)s more lines") % {"count": self.problems_left_out}]
        return [*self.problems, *(left_out if self.problems_left_out else [])]

    def _read(self) -> Iterator[Recipient]:
        header = next((line for line in self._lines if line.strip()), "")
        delimiter = next((sign for sign in DELIMITERS if sign in header), ",")
        names = [name.strip('" ').lower() for name in header.split(delimiter)]
        if CHAT_ID in names:
            yield from self._read_table(delimiter)
        else:
            yield from self._read_ids()

    def _read_ids(self) -> Iterator[Recipient]:
        for number, line in enumerate(self._lines, start=1):
            if (chat_id := line.strip()) and self._is_chat_id(number, chat_id):
                yield Recipient(chat_id)

    def _read_table(self, delimiter: str) -> Iterator[Recipient]:
        columns: list[str] | None = None
        for number, cells in self._rows(delimiter):
            if columns is None:
                columns = self._columns(number, cells)
                continue
            values = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
            if len(cells) > len(columns):
                self._tell(number, _("more cells than columns"))
            elif self._is_chat_id(number, chat_id := values.pop(CHAT_ID, "")):
                yield Recipient(chat_id, {name: value for name, value in values.items() if name})

    def _rows(self, delimiter: str) -> Iterator[tuple[int, list[str]]]:
        """Those that are not blank, and the line where each begins. A quote without a partner takes nobody along."""
        rows = csv.reader((f"{line}\n" for line in self._lines), delimiter=delimiter, strict=True)
        while True:
            number = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                self._tell(number, _("it cannot be read: %(problem)s") % {"problem": error})
                continue
            if any(cell.strip() for cell in cells):
                yield number, cells

    def _columns(self, number: int, cells: list[str]) -> list[str]:
        """Names as templates take them: white space becomes `_`. A column without a name is left out."""
        columns: list[str] = []
        for cell in cells:
            name = "_".join(cell.split())
            if name.lower() == CHAT_ID:
                name = CHAT_ID
            elif name in RESERVED or (name and not _COLUMN.fullmatch(name)):
                self._tell(number, _("a column cannot be called “%(name)s”") % {"name": name})
                name = ""
            if name and name in columns:
                self._tell(number, _("two columns are called “%(name)s”") % {"name": name})
            columns.append(name)
        return columns

    def _is_chat_id(self, number: int, text: str) -> bool:
        if not text:
            self._tell(number, _("no chat id"))
        elif len(text) > LONGEST_CHAT_ID or any(sign.isspace() or not sign.isprintable() for sign in text):
            self._tell(number, _("“%(text)s” is no chat id") % {"text": text[:40]})
        else:
            return True
        return False

    def _tell(self, number: int, problem: str) -> None:
        if len(self.problems) < PROBLEMS_TOLD:
            self.problems.append(_("line %(number)s: %(problem)s") % {"number": number, "problem": problem})
        else:
            self.problems_left_out += 1
