from django.db import models


class Order(models.Model):
    """What the form in bot.py makes."""

    customer = models.CharField(max_length=255)
    item = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    address = models.CharField(max_length=500)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.quantity} × {self.item}"
