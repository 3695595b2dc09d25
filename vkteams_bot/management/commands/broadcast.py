"""manage.py broadcast VERB …"""

from __future__ import annotations

import json
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_time

from vkteams_bot import broadcasts
from vkteams_bot.broadcasts.progress import Progress
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import BroadcastError, CallError, ConfigurationError
from vkteams_bot.management.bar import Bar
from vkteams_bot.management.broadcasting import OVER, Watch, summary
from vkteams_bot.management.interrupts import stopped_by_signal
from vkteams_bot.management.terminal import log_to_terminal
from vkteams_bot.models import Broadcast
from vkteams_bot.registry import bots
from vkteams_bot.stores.queue import account_of

FORMATS = {"plain": "", "html": Broadcast.Format.HTML, "markdown": Broadcast.Format.MARKDOWN}
LONGEST_NAME = 200
Status = Broadcast.Status


class Command(BaseCommand):
    help = "Write, start, watch and stop broadcasts: one message to many."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb, text in _VERBS.items():
            words = verbs.add_parser(verb, help=text, description=text)
            if verb in ("create", "send"):
                _add_content(words)
            elif verb == "list":
                words.add_argument("--status", choices=Status.values, help="only those")
            else:
                words.add_argument("broadcast", metavar="ID", help="its number, or its name")
            if verb in ("send", "start", "resume", "retry"):
                words.add_argument("--local", action="store_true", help="deliver in this process, without a broker")
                words.add_argument("--no-follow", action="store_true", help="let the workers deliver, do not watch")
            if verb == "retry":
                words.add_argument("--unknown", action="store_true", help="also those that may have arrived")
            if verb == "test":
                words.add_argument("chat_id", metavar="CHAT_ID")
            if verb == "export":
                words.add_argument("--output", metavar="FILE", help="instead of standard output")
            if verb == "dry-run":
                words.add_argument("--samples", type=int, default=3, metavar="N", help="texts to show (3)")

    def handle(self, *args: Any, **options: Any) -> None:
        log_to_terminal(options["verbosity"])
        given = Namespace(**options)
        try:
            getattr(self, "_" + given.verb.replace("-", "_"))(given)
        except (BroadcastError, ConfigurationError, CallError) as error:
            raise CommandError(str(error)) from error

    def _create(self, given: Namespace) -> Broadcast:
        broadcast = _new(given)
        found = broadcasts.problems(broadcast)
        if found:
            raise BroadcastError("; ".join(map(str, found)))
        broadcast.save()
        self.stdout.write(f"broadcast {broadcast.pk}: {broadcast.name}")
        return broadcast

    def _send(self, given: Namespace) -> None:
        self._begin(self._create(given), given)

    def _start(self, given: Namespace) -> None:
        self._begin(_found(given), given)

    def _begin(self, broadcast: Broadcast, given: Namespace) -> None:
        """With --local also one that runs already: the process that delivered it may be gone."""
        if not (given.local and broadcast.status in Broadcast.ACTIVE):
            broadcasts.start(broadcast)
        self._go_on(broadcast, given)

    def _pause(self, given: Namespace) -> None:
        broadcasts.pause(_found(given))

    def _resume(self, given: Namespace) -> None:
        broadcast = _found(given)
        if not (given.local and broadcast.status in Broadcast.ACTIVE):
            broadcasts.resume(broadcast)
        self._go_on(broadcast, given)

    def _cancel(self, given: Namespace) -> None:
        broadcasts.cancel(_found(given))

    def _retry(self, given: Namespace) -> None:
        broadcast = _found(given)
        count = broadcasts.retry(broadcast, unknown=given.unknown)
        self.stdout.write(f"{count} wait again")
        if broadcast.status != Status.PAUSED:
            self._go_on(broadcast, given)

    def _status(self, given: Namespace) -> None:
        broadcast = _found(given)
        now = Progress.of(broadcast.pk)
        self.stdout.write(f"{broadcast.pk}\t{broadcast.name}\t{now.status}\t{summary(now)}")
        if now.error:
            self.stdout.write(now.error)

    def _list(self, given: Namespace) -> None:
        rows = Broadcast.objects.in_status(given.status) if given.status else Broadcast.objects.all()
        for broadcast in rows.order_by("pk").only("name", "status", "created_at").iterator():
            created = timezone.localtime(broadcast.created_at)
            self.stdout.write(f"{broadcast.pk}\t{created:%Y-%m-%d %H:%M}\t{broadcast.status}\t{broadcast.name}")

    def _export(self, given: Namespace) -> None:
        lines = broadcasts.export_csv(_found(given))
        if given.output is None:
            self.stdout._out.writelines(lines)  # type: ignore[attr-defined]  # the stream itself: lines have ends
            return
        with _writable(given.output) as file:
            file.writelines(lines)

    def _test(self, given: Namespace) -> None:
        sent = broadcasts.send_test(_found(given), given.chat_id)
        self.stdout.write(f"sent: message {sent.msg_id}")

    def _dry_run(self, given: Namespace) -> None:
        found = broadcasts.dry_run(_found(given), samples=given.samples)
        for sample in found.samples:
            self.stdout.write(f"--- {sample.chat_id}")
            self.stdout.write(sample.problem or sample.text)
        self.stdout.write(f"{found.recipients} recipients, {found.unreachable} left out: unreachable")
        if found.problems or any(sample.problem for sample in found.samples):
            raise CommandError("; ".join(map(str, found.problems)) or "some texts cannot be sent, see above")

    def _go_on(self, broadcast: Broadcast, given: Namespace) -> None:
        if given.no_follow and not given.local:
            return
        stop = threading.Event()
        bar = Bar(self.stderr._out)
        watch = Watch(broadcast, bar, stop, self.stderr.write)
        with stopped_by_signal(stop.set) as received:
            try:
                now = watch.deliver() if given.local else watch.follow()
            finally:
                bar.close()
        if received and now.status not in OVER:
            self._interrupted(broadcast, local=given.local)
        now = Progress.of(broadcast.pk)
        self.stdout.write(f"{now.status}: {summary(now)}")
        if received:
            sys.exit(128 + received[0])
        if now.status == Status.PAUSED:
            raise CommandError(now.error or "somebody paused it")

    def _interrupted(self, broadcast: Broadcast, *, local: bool) -> None:
        if not local:
            self.stderr.write(f"workers go on with it; to stop it: manage.py broadcast pause {broadcast.pk}")
            return
        try:
            broadcasts.pause(broadcast)
        except BroadcastError as error:  # it ended, or somebody else was quicker
            self.stderr.write(str(error))
        else:
            self.stderr.write(f"paused; to go on: manage.py broadcast resume {broadcast.pk} --local")


_VERBS = {
    "send": "write a broadcast and start it",
    "create": "write a broadcast, to be started later",
    "start": "start a written one; with --local also go on after a crash",
    "pause": "send no more until it is resumed",
    "resume": "go on after a pause; with --local also after a crash",
    "cancel": "never send the rest",
    "retry": "send refused ones again",
    "status": "how far it is",
    "list": "all broadcasts",
    "export": "the results as CSV",
    "test": "send it to one chat now",
    "dry-run": "count its recipients and show the first texts; sends nothing",
}


def _add_content(words: ArgumentParser) -> None:
    words.add_argument("--name", default="", help="recipients do not see it (default: the text's beginning)")
    words.add_argument("--bot", default=None, metavar="ALIAS", help='which bot of VKTEAMS_BOT["BOTS"] sends it')
    words.add_argument("--text", default="", help="- reads it from standard input")
    words.add_argument("--format", choices=FORMATS, default="plain")
    words.add_argument("--template", action="store_true", help="the text has variables: {{ contact.first_name }}")
    words.add_argument("--keyboard", type=_json, default=None, metavar="JSON", help="rows of buttons")
    words.add_argument("--file", default=None, metavar="PATH", help="a file; the text becomes its caption")
    audience = words.add_mutually_exclusive_group(required=True)
    audience.add_argument("--audience", choices=("private", "groups"), help="all private chats, or all groups")
    audience.add_argument("--segment", metavar="NAME", help="an @audience of the project")
    audience.add_argument("--chat", action="append", metavar="ID", help="a chat id; may be repeated")
    audience.add_argument("--list", dest="list_file", metavar="FILE", help="ids, one per line, or CSV with chat_id")
    words.add_argument("--include-unreachable", action="store_true", help="also to those who could not be reached")
    words.add_argument("--starts-at", type=_moment, default=None, metavar="TIME", help="2026-12-31T09:00+03:00")
    words.add_argument("--expires-at", type=_moment, default=None, metavar="TIME", help="not sent after this")
    words.add_argument("--quiet", type=_quiet, default=(None, None), metavar="FROM-UNTIL", help="22:00-08:00")
    words.add_argument("--time-zone", default="", metavar="NAME", help="of the quiet hours (default: TIME_ZONE)")
    words.add_argument("--rate-share", type=_percent, default=80, metavar="PERCENT", help="of the rate limit (80)")


def _new(given: Namespace) -> Broadcast:
    alias = given.bot or next(iter(conf.aliases), "default")
    text = sys.stdin.read() if given.text == "-" else given.text
    broadcast = Broadcast(
        account_id=account_of(alias, bots[alias].user_id),
        name=(given.name or " ".join(text.split()) or Path(given.file or "").name)[:LONGEST_NAME],
        text=text,
        parse_mode=FORMATS[given.format],
        is_template=given.template,
        keyboard=given.keyboard,
        exclude_unreachable=not given.include_unreachable,
        starts_at=given.starts_at,
        expires_at=given.expires_at,
        quiet_from=given.quiet[0],
        quiet_until=given.quiet[1],
        time_zone=given.time_zone,
        rate_share=given.rate_share,
    )
    if given.segment:
        broadcast.audience, broadcast.segment = Broadcast.Audience.SEGMENT, given.segment
    elif given.audience:
        broadcast.audience = given.audience
    else:
        broadcast.audience = Broadcast.Audience.LIST
        broadcast.recipients = "\n".join(given.chat) if given.chat else _read(given.list_file)
    if given.file:
        # Kept where uploads of the admin are: whoever delivers it reads it from there.
        try:
            broadcast.file = ContentFile(Path(given.file).read_bytes(), name=Path(given.file).name)
        except OSError as error:
            raise CommandError(f"cannot read {given.file}: {error.strerror}") from None
    return broadcast


def _found(given: Namespace) -> Broadcast:
    known = Broadcast.objects.select_related("account")
    by_name = list(known.filter(name=given.broadcast)[:2])
    if len(by_name) > 1:
        raise CommandError(f"several broadcasts are called {given.broadcast!r}: give the number, see broadcast list")
    key = int(given.broadcast) if given.broadcast.isdecimal() and len(given.broadcast) < 19 else None
    found = known.filter(pk=key).first() if key is not None else None
    found = found or next(iter(by_name), None)
    if found is None:
        raise CommandError(f"there is no broadcast {given.broadcast!r}, see broadcast list")
    return found


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {path}: {error}") from None


@contextmanager
def _writable(path: str) -> Iterator[Any]:
    try:
        with Path(path).open("w", encoding="utf-8-sig", newline="") as file:  # spreadsheets look for the mark
            yield file
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ArgumentTypeError(f"no JSON: {error}") from None


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-12-31T09:00")
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _quiet(text: str) -> tuple[time, time]:
    begin, _, end = text.partition("-")
    try:
        hours = parse_time(begin), parse_time(end)
    except ValueError:
        hours = None, None
    if hours[0] is None or hours[1] is None:
        raise ArgumentTypeError(f"{text!r} are no hours such as 22:00-08:00")
    return hours[0], hours[1]


def _percent(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ArgumentTypeError(f"{text!r} is no percentage from 1 to 100")
    return int(text)
