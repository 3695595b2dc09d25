"""What a scenario wants to have otherwise comes in environment variables, as JSON."""

import json
import os
from typing import Any

SECRET_KEY = "of the kill suite"
DEBUG = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "channels",
    "vkteams_bot",
    "echo",
]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

DATABASES = {"default": json.loads(os.environ["CHAOS_DATABASE"])}

VKTEAMS_BOT: dict[str, Any] = {
    "BOTS": {
        "default": {
            "TOKEN": os.environ["CHAOS_TOKEN"],
            "API_URL": os.environ["CHAOS_API_URL"],
            **json.loads(os.environ.get("CHAOS_BOT", "{}")),
        }
    },
    **json.loads(os.environ.get("CHAOS_SETTINGS", "{}")),
}

if broker := os.environ.get("CHAOS_REDIS"):
    CELERY_BROKER_URL = broker
    CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "socket_timeout": 5, "visibility_timeout": 10}
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
    CELERY_WORKER_HIJACK_ROOT_LOGGER = False
    CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": broker}}

# The next version of the package: its migrations and one more, its models and what that migration adds.
if os.environ.get("CHAOS_NEXT_VERSION"):
    MIGRATION_MODULES = {"vkteams_bot": "next_version"}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"httpx": {"level": "WARNING"}},
}
