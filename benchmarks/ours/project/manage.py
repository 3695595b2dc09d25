#!/usr/bin/env python
"""The project of the end-to-end benchmark: `manage.py runbot`, told by DATABASE_URL and BENCH_API_URL."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
