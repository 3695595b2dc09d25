from django.contrib import admin

from example_project.orders.models import Order


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("item", "quantity", "customer", "address", "created_at")
    search_fields = ("item", "customer", "address")
    readonly_fields = ("created_at",)
