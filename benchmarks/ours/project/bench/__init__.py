"""The app whose bot.py is measured."""
