import pytest

from tests.api.fakes import FakeClock


@pytest.fixture
def clock(monkeypatch):
    """All sleeping takes no time, and is noted in `naps`."""
    return FakeClock().install(monkeypatch)


@pytest.fixture(params=["async", "sync"])
def face(request):
    """Each test runs through `execute` and through `execute_sync`."""
    return request.param
