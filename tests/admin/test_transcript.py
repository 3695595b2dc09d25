"""The log of a chat: who said what, in order, page by page."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.admin.conftest import APP, World
from vkteams_bot.admin.transcript import SHOWN, Transcript
from vkteams_bot.models import ChatMessage

pytestmark = [pytest.mark.orm, pytest.mark.django_db]


def keys(transcript: Transcript) -> list[int]:
    return [line.message.pk for line in transcript.lines]


def test_pages_go_from_the_newest_to_the_oldest_and_back(world: World) -> None:
    all_keys = [world.message().pk for _ in range(2 * SHOWN + 10)]
    world.message(chat=world.group)
    newest = Transcript.of(world.chat)
    assert keys(newest) == all_keys[-SHOWN:]
    assert newest.newer is None
    middle = Transcript.of(world.chat, before=str(newest.older))
    assert keys(middle) == all_keys[10 : SHOWN + 10]
    oldest = Transcript.of(world.chat, before=str(middle.older))
    assert keys(oldest) == all_keys[:10]
    assert oldest.older is None
    again = Transcript.of(world.chat, after=str(oldest.newer))
    assert keys(again) == keys(middle)
    last = Transcript.of(world.chat, after=str(again.newer))
    assert keys(last) == keys(newest)
    assert last.newer is None


@pytest.mark.parametrize("key", ["", "x", "-1", "1" * 30, "²"])
def test_a_strange_key_means_the_newest(world: World, key: str) -> None:
    message = world.message()
    assert keys(Transcript.of(world.chat, before=key, after=key)) == [message.pk]


def test_the_page_reads_as_a_conversation(admin_client: Client, world: World, settings: object) -> None:
    day = datetime(2026, 5, 3, 12, tzinfo=UTC)
    world.message(text="Hello", sent_at=day)
    world.message(text="Are you there?", sent_at=day + timedelta(minutes=1), edited_at=day)
    keyboard = [{"type": "inlineKeyboardMarkup", "payload": [[{"text": "Yes"}, {"text": "No"}]]}]
    out = ChatMessage.Direction.OUT
    world.message(text="Yes?", direction=out, contact=None, sent_at=day + timedelta(days=1), parts=keyboard)
    world.message(text="Gone", sent_at=day + timedelta(days=1), deleted_at=timezone.now())
    voice = [{"type": "voice", "payload": {"fileId": "x"}}, "not a part"]
    world.message(text="", sent_at=day + timedelta(days=1), parts=voice)
    page = admin_client.get(f"{APP}/chat/{world.chat.pk}/log/").content.decode()
    lines = re.findall(r'class="vkt-line ([^"]*)"', page)
    assert lines == ["vkt-in", "vkt-in vkt-follows", "vkt-out", "vkt-in vkt-gone", "vkt-in vkt-follows"]
    assert page.count("vkt-day") == 2
    assert page.index("Hello") < page.index("Are you there?") < page.index("Yes?") < page.index("Gone")
    assert page.count('<strong class="vkt-author">Anna</strong>') == 2
    assert '<strong class="vkt-author">default (shop_bot)</strong>' in page
    assert '<span class="vkt-key">No</span>' in page
    assert "Voice message" in page
    assert "edited ·" in page
    assert "deleted ·" in page


def test_parts_of_any_shape_do_no_harm(admin_client: Client, world: World) -> None:
    for parts in ({"a": 1}, "text", [1, None, {"type": None}, {"type": "forward", "payload": []}], [{"type": "file"}]):
        world.message(parts=parts)
    world.message(parts=[{"type": "inlineKeyboardMarkup", "payload": {"x": 1}}])
    page = admin_client.get(f"{APP}/chat/{world.chat.pk}/log/")
    assert page.status_code == 200
    assert page.content.decode().count('class="vkt-line') == 5


def test_an_unknown_chat_is_not_found(admin_client: Client, db: None) -> None:
    assert admin_client.get(f"{APP}/chat/77/log/").status_code == 404
