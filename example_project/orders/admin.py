from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from example_project.orders.models import Order
from vkteams_bot import bot


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("item", "quantity", "customer", "address", "created_at")
    search_fields = ("item", "customer", "address")
    readonly_fields = ("created_at",)
    actions = ("tell_it_is_on_its_way",)

    @admin.action(description="Tell the customers that it is on its way", permissions=["change"])
    def tell_it_is_on_its_way(self, request: HttpRequest, orders: QuerySet[Order]) -> None:
        """Written with this request's transaction, sent by a Celery worker."""
        told = bot.delay_many(bot.send_text(order.customer, f"{order} is on its way.") for order in orders)
        self.message_user(request, f"{len(told.ids)} customers will be told.", messages.SUCCESS)
