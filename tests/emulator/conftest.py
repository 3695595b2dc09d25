"""Fixtures of the emulator's tests."""

from collections.abc import Iterator

import pytest

from tests.emulator.serving import Client, served


@pytest.fixture(scope="module")
def _emulator() -> Iterator[Client]:
    with served() as client:
        yield client


@pytest.fixture
def emulator(_emulator: Client) -> Client:
    """A served emulator in its first state; one server serves a module."""
    _emulator.order("reset")
    return _emulator
