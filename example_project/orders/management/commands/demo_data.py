"""manage.py demo_data"""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand

from example_project.orders.models import Order

ADMIN = "admin"


class Command(BaseCommand):
    help = "Create a superuser for development and a few orders, once."

    def handle(self, *args: Any, **options: Any) -> None:
        users = get_user_model().objects
        if not users.filter(username=ADMIN).exists():
            users.create_superuser(ADMIN, "alice@example.com", ADMIN)
            self.stdout.write(f"Created the superuser {ADMIN!r} with the password {ADMIN!r} (development only).")
        if not Order.objects.exists():
            Order.objects.create(customer="alice@example.com", item="Tea", quantity=2, address="Office, 3rd floor")
            Order.objects.create(customer="bob@example.com", item="Coffee", quantity=1, address="Reception")
