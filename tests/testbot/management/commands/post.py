"""Delays calls, as a view of a project would, and tells the broker."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tests.testbot.worker import app
from vkteams_bot import bot, notify


class Command(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("count", type=int)
        parser.add_argument("--chats", type=int, default=100)
        parser.add_argument("--one-by-one", action="store_true", help="a transaction and a message for each")
        parser.add_argument("--again", type=int, default=0, help="publish every message so often more")

    def handle(self, *args: Any, count: int, chats: int, one_by_one: bool, again: int, **options: Any) -> None:
        app.set_current()
        publish = notify.publish

        def repeatedly(message: notify.TaskMessage) -> None:
            for _ in range(1 + again):
                publish(message)

        notify.publish = repeatedly
        calls = [bot.send_text(f"p{n % chats}@example.com", str(n)) for n in range(count)]
        if one_by_one:
            for call in calls:
                call.delay()
        else:
            bot.delay_many(calls)
        self.stdout.write(f"posted {count}")
