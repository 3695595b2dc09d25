"""A broadcast from the first word to the last recipient, in a real browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from pytest_django import Settings

from tests.emulator import serving
from tests.live.conftest import PASSWORD, PEOPLE, Site, Worker, limit_rate, served
from tests.processes import wait_until
from vkteams_bot import broadcasts
from vkteams_bot.models import BotAccount, Broadcast, BroadcastAction

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# A busy machine may take long to draw; a page that is wrong stays wrong.
expect.set_options(timeout=30_000)

TEXT = "<b>Dear {{ contact.first_name|default:'friend' }}</b>,\nthe <a href=\"https://shop.example\">shop</a> moves."
KEYBOARD = "Where to? = https://shop.example/map | [primary] I know = callback:known"


def enter(page: Page, site: Site, path: str = "/admin/", locale: str = "en") -> None:
    page.set_default_timeout(30_000)
    page.context.set_extra_http_headers({"Accept-Language": locale})
    page.goto(f"{site.url}/admin/login/?next={path}")
    page.locator("#id_username").fill("operator")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("[type=submit]").click()


def write(page: Page, people: list[str]) -> None:
    page.locator("#id_name").fill("Move")
    page.locator("#id_text").fill(TEXT)
    page.locator("#id_parse_mode").select_option("HTML")
    page.locator("#id_is_template").check()
    page.locator("#id_keyboard").fill(KEYBOARD)
    page.locator("#id_audience").select_option("list")
    page.locator("#id_recipients").fill("\n".join(people))


def number(page: Page, name: str) -> Any:
    return page.locator(f'[data-number="{name}"]')


def nothing_sticks_out(page: Page) -> None:
    width = page.viewport_size["width"] if page.viewport_size else 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("locale", "width"), [("en", 1280), ("ru", 390)])
def test_from_the_first_word_to_the_last_recipient(
    page: Page, site: Site, emulator: serving.Client, worker: Worker, locale: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    enter(page, site, "/admin/vkteams_bot/broadcast/add/", locale)
    expect(page.locator("html")).to_have_attribute("lang", locale)

    write(page, [serving.ALICE, *PEOPLE, "nobody@example.com"])
    preview = page.locator("#vkt-preview")
    expect(preview.locator("strong")).to_have_text("Dear Alice")
    expect(preview.locator(".vkt-message a")).to_have_attribute("href", "https://shop.example")
    expect(preview.locator(".vkt-key-primary")).to_have_text("I know")
    page.locator("[name=preview_chat_id]").fill(PEOPLE[0])
    expect(preview.locator("strong")).to_have_text("Dear friend")
    page.locator("#id_text").fill("<b>oops")
    expect(preview.locator(".vkt-problems")).to_be_visible()
    page.locator("#id_text").fill(TEXT)
    expect(preview.locator(".vkt-problems")).to_have_count(0)
    page.locator("#vkt-count").click()
    expect(page.locator("#vkt-audience")).to_contain_text("62")
    nothing_sticks_out(page)

    limit_rate(emulator, 4)
    expect(page.locator("[name=test_chat_id]")).to_have_value(serving.ALICE)
    page.locator("[name=_test]").click()
    expect(page.locator(".messagelist .success")).to_contain_text(serving.ALICE)
    assert emulator.shown()[-1]["text"] == "Dear Alice,\nthe shop moves."

    page.locator("[name=_send]").click()
    expect(page.locator(".vkt-once button")).to_contain_text("62")
    nothing_sticks_out(page)
    assert Broadcast.objects.get().status == "draft"
    page.locator(".vkt-once button").click()

    expect(page.locator(".vkt-connection")).to_have_class(re.compile("vkt-is-live"))
    expect(number(page, "total")).to_have_text("62")
    expect(number(page, "sent")).not_to_have_text("0")
    expect(number(page, "rate")).not_to_have_text("–")
    expect(number(page, "seconds_left")).to_have_text(re.compile(r"\d:\d\d"))
    page.locator("form[action$='/pause/'] button").click()
    expect(page.locator("form[action$='/resume/'] button")).to_be_visible()
    assert Broadcast.objects.get().status == "paused"
    nothing_sticks_out(page)

    limit_rate(emulator, None)
    page.locator("form[action$='/resume/'] button").click()
    expect(number(page, "left")).to_have_text("0")
    expect(number(page, "sent")).to_have_text("61")
    expect(number(page, "failed")).to_have_text("1")
    expect(page.locator(".vkt-state .vkt-good")).to_be_visible()
    bar = page.locator("svg.vkt-bar")
    expect(bar).to_have_attribute("aria-valuenow", "100")
    expect(bar.locator(".vkt-part-failed")).to_have_attribute("width", "16.1")
    page.locator("#vkt-details summary").click()
    expect(page.locator("#vkt-details details")).to_contain_text("nobody@example.com")
    nothing_sticks_out(page)
    hidden = "table => table.scrollWidth > table.parentElement.clientWidth"
    assert page.locator(".vkt-stacked").evaluate_all(f"tables => tables.map({hidden})") == [False, False]
    actions = list(BroadcastAction.objects.order_by("pk").values_list("action", "user__username"))
    assert actions == [(name, "operator") for name in ("test", "start", "pause", "resume")]
    for person in (serving.ALICE, PEOPLE[-1]):
        assert emulator.shown(person)[-1]["text"].endswith("the shop moves.")
    page.goto(f"{site.url}/admin/vkteams_bot/broadcast/")
    nothing_sticks_out(page)


def draft(people: list[str], **fields: Any) -> Broadcast:
    return Broadcast.objects.create(
        account=BotAccount.objects.get(), name="Move", text="x", audience="list", recipients="\n".join(people), **fields
    )


def started(people: list[str]) -> Broadcast:
    broadcast = draft(people)
    broadcasts.start(broadcast)
    return broadcast


def update(broadcast: Broadcast, **fields: Any) -> None:
    Broadcast.objects.filter(pk=broadcast.pk).update(**fields)


def progress_path(broadcast: Broadcast) -> str:
    return f"/admin/vkteams_bot/broadcast/{broadcast.pk}/progress/"


def stays_quiet(page: Page) -> None:
    """The page neither asks nor connects. It would have done so twice."""
    page.wait_for_timeout(500)  # what was on its way
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))
    page.on("websocket", lambda socket: heard.append(socket.url))
    page.wait_for_timeout(4_500)
    assert heard == []


def come_back_to(page: Page) -> None:
    """As a browser tells it when somebody returns to this tab."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_without_websockets_it_asks_again_and_again(
    page: Page, operator: User, emulator: serving.Client, worker: Worker
) -> None:
    with served(sockets=False) as site:
        limit_rate(emulator, 4)
        broadcast = started(PEOPLE)
        enter(page, site, progress_path(broadcast))
        expect(page.locator(".vkt-connection")).to_have_text("Every 2 seconds")
        expect(number(page, "sent")).not_to_have_text("0")
        expect(number(page, "rate")).to_have_text(re.compile(r"\d"))
        expect(number(page, "seconds_left")).to_have_text(re.compile(r"\d:\d\d"))
        page.context.clear_cookies()
        expect(page.locator(".vkt-connection")).to_have_text("Sign in again to go on.")
        stays_quiet(page)
        limit_rate(emulator, None)
        enter(page, site, progress_path(broadcast))
        expect(number(page, "left")).to_have_text("0")
        expect(page.locator(".vkt-state .vkt-good")).to_be_visible()
        expect(page.locator(".vkt-connection")).to_be_empty()
        stays_quiet(page)


def test_it_comes_back_after_the_site_does(
    page: Page, operator: User, emulator: serving.Client, worker: Worker
) -> None:
    with served() as site:
        limit_rate(emulator, 0.2)
        broadcast = started(PEOPLE[:5])
        enter(page, site, progress_path(broadcast))
        expect(page.locator(".vkt-connection")).to_have_text("Live")
    expect(page.locator(".vkt-connection")).to_have_text("No connection, trying again…")
    with served(port=site.port):
        expect(page.locator(".vkt-connection")).to_have_text("Live")
        limit_rate(emulator, None)
        expect(number(page, "sent")).to_have_text("5")


@pytest.mark.parametrize("sockets", [True, False])
def test_the_page_of_a_deleted_broadcast_says_so_and_stops(
    page: Page, operator: User, emulator: serving.Client, sockets: bool
) -> None:
    """It connected again for ever."""
    with served(sockets=sockets) as site:
        broadcast = draft(["a"], status="paused", total=1)
        enter(page, site, progress_path(broadcast))
        expect(page.locator(".vkt-connection")).to_have_text("Live" if sockets else "Every 2 seconds")
        broadcast.delete()
        expect(page.locator(".vkt-connection")).to_have_text("This broadcast was deleted.")
        stays_quiet(page)
        come_back_to(page)
        stays_quiet(page)


def test_the_page_of_one_that_is_over_rests_until_somebody_comes_back(
    page: Page, site: Site, emulator: serving.Client
) -> None:
    """It was read from the database every two seconds, in every tab that somebody had left open."""
    broadcast = draft(["a"], status="running", total=1, counts={"sent": 0})
    enter(page, site, progress_path(broadcast))
    expect(page.locator(".vkt-connection")).to_have_text("Live")
    update(broadcast, status="finished", counts={"failed": 1})
    expect(number(page, "failed")).to_have_text("1")
    expect(page.locator(".vkt-state .vkt-good")).to_be_visible()
    expect(page.locator(".vkt-connection")).to_be_empty()
    stays_quiet(page)
    with page.expect_response("**/snapshot/*"):
        come_back_to(page)
    stays_quiet(page)
    update(broadcast, status="running", counts={"queued": 1})  # somebody else retries it
    come_back_to(page)
    expect(page.locator(".vkt-connection")).to_have_text("Live")
    expect(number(page, "failed")).to_have_text("0")


def test_who_may_not_see_it_any_more_is_asked_to_sign_in(page: Page, operator: User, emulator: serving.Client) -> None:
    with served() as site:
        broadcast = draft(["a"], status="paused", total=1)
        enter(page, site, progress_path(broadcast))
        expect(page.locator(".vkt-connection")).to_have_text("Live")
        page.route("**/snapshot/*", lambda route: route.abort())  # the socket alone has to say it
        User.objects.update(is_staff=False)
    with served(port=site.port):
        expect(page.locator(".vkt-connection")).to_have_text("Sign in again to go on.")
        stays_quiet(page)
        page.unroute("**/snapshot/*")
        User.objects.update(is_staff=True)
        come_back_to(page)
        expect(page.locator(".vkt-connection")).to_have_text("Live")


def test_without_scripts_there_is_a_link_to_the_newest_numbers(
    scriptless: Page, site: Site, emulator: serving.Client, worker: Worker
) -> None:
    page = scriptless
    broadcast = started(PEOPLE[:3])
    enter(page, site, progress_path(broadcast))
    wait_until(lambda: Broadcast.objects.get().status == "finished", 20, "it is sent")
    page.locator("noscript a").click()
    expect(number(page, "sent")).to_have_text("3")
    expect(page.locator("svg.vkt-bar")).to_have_attribute("aria-valuenow", "100")
    page.goto(f"{site.url}/admin/vkteams_bot/broadcast/add/")
    expect(page.locator("#vkt-preview")).to_be_hidden()
    expect(page.locator("#id_segment")).to_be_visible()


def test_a_long_pasted_list_reaches_the_server(
    page: Page, site: Site, emulator: serving.Client, settings: Settings
) -> None:
    """It is more than Django takes in one field."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10_000_000  # no temporary file stays open when a request is cut off
    enter(page, site, "/admin/vkteams_bot/broadcast/add/")
    people = "\n".join(f"somebody-with-a-long-name-{number}@example.com" for number in range(70_000))
    write(page, ["x"])
    expect(page.locator("#vkt-audience")).to_contain_text("1 recipient")
    page.locator("#id_name").focus()
    page.locator("#id_recipients").evaluate("(node, text) => { node.value = text; }", people)
    page.locator("#id_recipients").dispatch_event("change")
    expect(page.locator("#vkt-audience")).to_contain_text("70000 recipients")
    page.locator("[name=_continue]").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert Broadcast.objects.get().recipients == people
    expect(page.locator(".field-recipients")).to_contain_text("70000 lines is kept")
    expect(page.locator("#vkt-audience")).to_contain_text("70000 recipients")
