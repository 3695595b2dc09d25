"""manage.py broadcast VERB …"""

from __future__ import annotations

import json
import signal
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, time
from pathlib import Path
from typing import Any, NoReturn

from django.core.files.base import ContentFile
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime, parse_time

from vkteams_bot import broadcasts
from vkteams_bot.broadcasts.progress import Progress
from vkteams_bot.conf import conf
from vkteams_bot.exceptions import BroadcastError, CallError, ConfigurationError
from vkteams_bot.management.bar import Bar
from vkteams_bot.management.broadcasting import Watch, summary
from vkteams_bot.management.terminal import log_to_terminal
from vkteams_bot.models import Broadcast
from vkteams_bot.registry import bots
from vkteams_bot.signal_handlers import FORCED_EXIT, Deadline, interrupt, stop_on_signals
from vkteams_bot.stores.accounts import account_of
from vkteams_bot.stores.connection_defaults import set_connection_defaults

FORMATS = {"plain": "", "html": Broadcast.Format.HTML, "markdown": Broadcast.Format.MARKDOWN}
LONGEST_NAME = 200
INTERRUPT_SECONDS = 5.0
Status = Broadcast.Status


class Command(BaseCommand):
    help = "Write, start, watch and stop broadcasts: one message to many."

    def __init__(
        self, *args: Any, watch: Callable[..., Watch] = Watch, bar: Callable[[Any], Bar] = Bar, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._watch, self._bar = watch, bar

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
                words.add_argument(
                    "--local", action="store_true", help="deliver in this process, without runbot and workers"
                )
                words.add_argument(
                    "--no-follow", action="store_true", help="do not watch while runbot or workers deliver"
                )
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
        try:
            getattr(self, "_" + options["verb"].replace("-", "_"))(Namespace(**options))
        except (BroadcastError, ConfigurationError, CallError) as error:
            raise CommandError(str(error)) from error

    def _create(self, options: Namespace) -> Broadcast:
        broadcast = _new(options)
        if problems := broadcasts.problems(broadcast):
            raise BroadcastError("; ".join(map(str, problems)))
        broadcast.save()
        self.stdout.write(f"broadcast {broadcast.pk}: {broadcast.name}")
        return broadcast

    def _send(self, options: Namespace) -> None:
        self._begin(self._create(options), options)

    def _start(self, options: Namespace) -> None:
        self._begin(_broadcast_of(options), options)

    def _begin(self, broadcast: Broadcast, options: Namespace) -> None:
        """With --local also one that runs already: the process that delivered it may be gone."""
        if not (options.local and broadcast.status in Broadcast.ACTIVE):
            broadcasts.start(broadcast)
        self._go_on(broadcast, options)

    def _pause(self, options: Namespace) -> None:
        broadcasts.pause(_broadcast_of(options))

    def _resume(self, options: Namespace) -> None:
        broadcast = _broadcast_of(options)
        if not (options.local and broadcast.status in Broadcast.ACTIVE):
            broadcasts.resume(broadcast)
        self._go_on(broadcast, options)

    def _cancel(self, options: Namespace) -> None:
        broadcasts.cancel(_broadcast_of(options))

    def _retry(self, options: Namespace) -> None:
        broadcast = _broadcast_of(options)
        count = broadcasts.retry(broadcast, unknown=options.unknown)
        self.stdout.write(f"{count} wait again")
        if broadcast.status != Status.PAUSED:
            self._go_on(broadcast, options)

    def _status(self, options: Namespace) -> None:
        broadcast = _broadcast_of(options)
        progress = Progress.of(broadcast.pk)
        self.stdout.write(f"{broadcast.pk}\t{broadcast.name}\t{progress.status}\t{summary(progress)}")
        if progress.error:
            self.stdout.write(progress.error)

    def _list(self, options: Namespace) -> None:
        rows = Broadcast.objects.in_status(options.status) if options.status else Broadcast.objects.all()
        for broadcast in rows.order_by("pk").only("name", "status", "created_at").iterator():
            created = timezone.localtime(broadcast.created_at)
            self.stdout.write(f"{broadcast.pk}\t{created:%Y-%m-%d %H:%M}\t{broadcast.status}\t{broadcast.name}")

    def _export(self, options: Namespace) -> None:
        lines = broadcasts.export_csv(_broadcast_of(options))
        if options.output is None:
            self.stdout._out.writelines(lines)  # type: ignore[attr-defined]  # the stream itself: lines have ends
            return
        with _writable(options.output) as file:
            file.writelines(lines)

    def _test(self, options: Namespace) -> None:
        sent = broadcasts.send_test(_broadcast_of(options), options.chat_id)
        self.stdout.write(f"sent: message {sent.msg_id}")

    def _dry_run(self, options: Namespace) -> None:
        result = broadcasts.dry_run(_broadcast_of(options), samples=options.samples)
        for sample in result.samples:
            self.stdout.write(f"--- {sample.chat_id}")
            self.stdout.write(sample.problem or sample.text)
        self.stdout.write(f"{result.recipients} recipients, {result.unreachable} left out: unreachable")
        if result.problems or any(sample.problem for sample in result.samples):
            raise CommandError("; ".join(map(str, result.problems)) or "some texts cannot be sent, see above")

    def _go_on(self, broadcast: Broadcast, options: Namespace) -> None:
        if options.no_follow and not options.local:
            return
        stop = threading.Event()
        bar = self._bar(self.stderr._out)
        watch = self._watch(broadcast, bar, stop, self.stderr.write)
        if options.local:
            set_connection_defaults()
        with Deadline(INTERRUPT_SECONDS, code=FORCED_EXIT) as deadline, _stopping(stop, deadline) as received:
            try:
                progress = watch.deliver() if options.local else watch.follow()
            finally:
                bar.close()
        if received and not progress.has_ended:
            self._interrupted(broadcast, local=options.local)
        progress = Progress.of(broadcast.pk)
        self.stdout.write(f"{progress.status}: {summary(progress)}")
        if received:
            sys.exit(128 + received[0])
        if progress.status == Status.PAUSED:
            raise CommandError(progress.error or "somebody paused it")

    def _interrupted(self, broadcast: Broadcast, *, local: bool) -> None:
        if not local:
            self.stderr.write(f"it goes on without this command; to stop it: manage.py broadcast pause {broadcast.pk}")
            return
        try:
            broadcasts.pause(broadcast)
        except BroadcastError as error:  # it ended, or somebody else was quicker
            self.stderr.write(str(error))
        else:
            self.stderr.write(f"paused; to go on: manage.py broadcast resume {broadcast.pk} --local")


def _stopping(stop: threading.Event, deadline: Deadline) -> AbstractContextManager[list[signal.Signals]]:
    def force() -> NoReturn:
        deadline.begin()  # a call that hangs in the database may not be interrupted
        interrupt()

    return stop_on_signals(stop.set, force=force)


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


def _new(options: Namespace) -> Broadcast:
    alias = options.bot or next(iter(conf.aliases), "default")
    text = sys.stdin.read() if options.text == "-" else options.text
    broadcast = Broadcast(
        account_id=account_of(bots[alias]),
        name=(options.name or " ".join(text.split()) or Path(options.file or "").name)[:LONGEST_NAME],
        text=text,
        parse_mode=FORMATS[options.format],
        is_template=options.template,
        keyboard=options.keyboard,
        exclude_unreachable=not options.include_unreachable,
        starts_at=options.starts_at,
        expires_at=options.expires_at,
        quiet_from=options.quiet[0],
        quiet_until=options.quiet[1],
        time_zone=options.time_zone,
        rate_share=options.rate_share,
    )
    if options.segment:
        broadcast.audience, broadcast.segment = Broadcast.Audience.SEGMENT, options.segment
    elif options.audience:
        broadcast.audience = options.audience
    else:
        broadcast.audience = Broadcast.Audience.LIST
        broadcast.recipients = "\n".join(options.chat) if options.chat else _read(options.list_file)
    if options.file:
        # Kept where uploads of the admin are: whoever delivers it reads it from there.
        try:
            broadcast.file = ContentFile(Path(options.file).read_bytes(), name=Path(options.file).name)
        except OSError as error:
            raise CommandError(f"cannot read {options.file}: {error.strerror}") from None
    return broadcast


def _broadcast_of(options: Namespace) -> Broadcast:
    """By its number, else by its name."""
    rows = Broadcast.objects.select_related("account")
    by_name = list(rows.filter(name=options.broadcast)[:2])
    if len(by_name) > 1:
        raise CommandError(f"several broadcasts are called {options.broadcast!r}: give the number, see broadcast list")
    key = int(options.broadcast) if options.broadcast.isdecimal() and len(options.broadcast) < 19 else None
    broadcast = rows.filter(pk=key).first() if key is not None else None
    broadcast = broadcast or next(iter(by_name), None)
    if broadcast is None:
        raise CommandError(f"there is no broadcast {options.broadcast!r}, see broadcast list")
    return broadcast


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
