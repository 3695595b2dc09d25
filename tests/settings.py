"""Django settings of the test-suite, and of the commands that its process tests start."""

import json
import os
from typing import Any

from tests import clocks, databases
from tests.processes import scratch_directory

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "vkteams_bot",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "tests.urls"
STATIC_URL = "static/"
MEDIA_ROOT = os.environ.get("TEST_MEDIA_ROOT") or scratch_directory("vkteams-bot-media-")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


# The handlers of the process tests (tests/testbot); other tests bring their own.
if os.environ.get("TEST_BOT_APP"):
    INSTALLED_APPS.append("tests.testbot")

# By default a file of this process alone: several test runs may share a checkout.
DATABASES = {
    "default": databases.parse(
        os.environ.get("TEST_DATABASE_URL")
        or databases.sqlite_url(scratch_directory("vkteams-bot-database-") / "test.sqlite3")
    )
}

VKTEAMS_BOT: dict[str, Any] = {
    "BOTS": {
        "default": {
            "TOKEN": os.environ.get("TEST_BOT_TOKEN", "001.1234567890.0987654321:1000000001"),
            # Nothing listens on port 1: a test that forgets its emulator fails at once and reaches nobody.
            "API_URL": os.environ.get("TEST_BOT_API_URL", "http://127.0.0.1:1/bot/v1"),
        }
    }
}
# Time runs faster for tests that kill a process often; the rules stay.
for name in ("LEASE_SECONDS", "CLAIM_SECONDS"):
    if seconds := os.environ.get(f"TESTBOT_{name}"):
        VKTEAMS_BOT[name] = float(seconds)
# JSON: what a process test wants to have otherwise.
VKTEAMS_BOT |= json.loads(os.environ.get("TEST_BOT_SETTINGS", "{}"))

if seconds := os.environ.get("TESTBOT_CLOCK_SECONDS"):
    clocks.set_ahead(float(seconds))

if seconds := os.environ.get("TEST_SQLITE_BUSY_SECONDS"):
    DATABASES["default"]["OPTIONS"] = {**DATABASES["default"]["OPTIONS"], "timeout": float(seconds)}

if level := os.environ.get("TEST_LOG_LEVEL"):
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
    }
