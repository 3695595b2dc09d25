"""manage.py botrecord CHAT_ID"""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vkteams_bot.conf import conf
from vkteams_bot.models import Chat
from vkteams_bot.recording import read, render
from vkteams_bot.registry import DEFAULT_ALIAS


class Command(BaseCommand):
    help = "Write a test that repeats a conversation from the chat log. It needs the fixture `chat` of the test kit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("chat_id", help="the chat's id; of a private chat, the person's")
        parser.add_argument("--bot", default=DEFAULT_ALIAS, metavar="ALIAS", help="whose chat (default: %(default)s)")
        parser.add_argument(
            "--last",
            type=_count,
            default=50,
            metavar="N",
            help="the last N things that people did (default: %(default)s)",
        )
        parser.add_argument("--output", type=Path, metavar="FILE", help="a new file (default: stdout)")

    def handle(self, *args: Any, **options: Any) -> None:
        alias, chat_id = options["bot"], options["chat_id"]
        if alias not in conf.aliases:
            raise CommandError(f'no bot {alias} in VKTEAMS_BOT["BOTS"] (there are: {", ".join(conf.aliases)})')
        chats = Chat.objects.filter(account__alias=alias, chat_id=chat_id).select_related("account")
        chat = chats.order_by("-account").first()
        conversation = read(chat, options["last"]) if chat is not None else None
        if conversation is None or not conversation.exchanges:
            raise CommandError(f"the bot {alias} has logged nothing that a person did in the chat {chat_id}")
        source = render(conversation)
        if options["output"] is None:
            self.stdout.write(source, ending="")
            return
        try:
            with options["output"].open("x", encoding="utf-8") as file:
                file.write(source)
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}") from error


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to 1000")
    return int(text)
