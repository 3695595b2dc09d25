"""Django signals: siblings tell each other to look. What there is to see stands in the database."""

from django.dispatch import Signal

outbox_progress = Signal()
"""Calls were sent by a worker, in the process that sends. `account_id`: int; `broadcast_ids`: those that got on.

At most twice a second per account and process.
"""
