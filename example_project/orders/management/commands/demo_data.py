"""manage.py demo_data"""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand
from django.utils import timezone

from example_project.orders.models import Order
from vkteams_bot import bot
from vkteams_bot.models import BotAccount, Broadcast, Chat, Contact

ADMIN = "admin"
# The people of the playground: a private chat has the id of its person.
PEOPLE = {"alice@example.com": ("Alice", "Smith"), "bob@example.com": ("Bob", "Brown")}
NEWS = """Good morning, {{ contact.first_name }}!

<b>Fresh biscuits</b> are in the kitchen. Order yours with /order."""


class Command(BaseCommand):
    help = "Create a superuser for development, a few orders, and a broadcast with people to send it to, once."

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        if not users.filter(username=ADMIN).exists():
            users.create_superuser(ADMIN, "alice@example.com", ADMIN)
            self.stdout.write(f"Created the superuser {ADMIN!r} with the password {ADMIN!r} (development only).")
        if not Order.objects.exists():
            Order.objects.create(customer="alice@example.com", item="Tea", quantity=2, address="Office, 3rd floor")
            Order.objects.create(customer="bob@example.com", item="Coffee", quantity=1, address="Reception")
        if not Broadcast.objects.exists():
            self._make_broadcast()

    def _make_broadcast(self) -> None:
        """As if everybody had written to the bot."""
        account, _ = BotAccount.objects.get_or_create(alias=bot.alias, user_id=bot.user_id)
        now = timezone.now()
        for user_id, (first_name, last_name) in PEOPLE.items():
            name = {"first_name": first_name, "last_name": last_name}
            Contact.objects.get_or_create(user_id=user_id, defaults={**name, "created_at": now})
            private = {"type": Chat.Type.PRIVATE, "created_at": now}
            Chat.objects.get_or_create(account=account, chat_id=user_id, defaults=private)
        Contact.objects.link()
        Broadcast.objects.create(
            account=account,
            name="Fresh biscuits",
            text=NEWS,
            parse_mode=Broadcast.Format.HTML,
            is_template=True,
            keyboard=[[{"text": "Read more", "url": "https://example.com/biscuits"}]],
        )
