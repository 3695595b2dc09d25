"""The settings of the tests with DEBUG."""

from tests.settings import *  # noqa: F403

DEBUG = True
