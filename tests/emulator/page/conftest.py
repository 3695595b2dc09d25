"""Fixtures of the playground's tests."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def _page_in_urls(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.emulator.page.urls"
