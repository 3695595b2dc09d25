"""Who may be written to at once: `manage.py broadcast send --segment customers …`, or the admin."""

from example_project.orders.models import Order
from vkteams_bot.broadcasts import audience


@audience("customers", label="Everybody who has ordered")
def customers():
    """Whoever fills in the form does so in a private chat, whose id is theirs."""
    return Order.objects.values_list("customer", flat=True)
