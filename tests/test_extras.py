"""Commands for development without the extra that they need."""

import sys

import pytest
from django.core.management import CommandError, call_command


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        (["playground"], "uvicorn", "playground"),
        (["playground"], "websockets", "playground"),
        (["botemulator", "--port", "0", "--force"], "uvicorn", "playground"),
        (["runbot", "--reload"], "watchfiles", "reload"),
    ],
)
def test_a_command_without_its_extra_names_the_remedy(command, package, extra, monkeypatch, settings):
    settings.VKTEAMS_BOT = {"BOTS": {"default": {"TOKEN": "1:2", "API_URL": "http://127.0.0.1:1"}}}
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(
        CommandError, match=rf'not installed: {package}\. .*pip install "django-vkteams-bot\[{extra}\]"'
    ):
        call_command(*command)
