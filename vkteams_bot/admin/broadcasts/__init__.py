"""Broadcasts: composed, checked, sent and watched."""
