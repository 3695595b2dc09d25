"""The page in a real browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.emulator.page.serving import Playground, served
from tests.emulator.serving import ALICE, BOB, BOT_ID, TEAM
from tests.processes import wait_until
from vkteams_bot.emulator.message import Message
from vkteams_bot.emulator.page.scope import BotCommand
from vkteams_bot.emulator.world import World

# A busy machine may take long to draw; a page that is wrong stays wrong.
expect.set_options(timeout=30_000)

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">"
PIXEL = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89"
    b"\0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n-\xb4\0\0\0\0IEND\xaeB`\x82"
)


@pytest.fixture
def playground() -> Iterator[Playground]:
    with served(World(), {BOT_ID: [BotCommand("/start", "Begin"), BotCommand("/stop", "End")]}) as playground:
        yield playground


@pytest.fixture
def chat(page: Page, playground: Playground) -> Page:
    """The page as Alice, in the chat with the bot."""
    page.set_default_timeout(30_000)
    page.goto(f"{playground.url}#/{ALICE}/{BOT_ID}")
    expect(page.locator("#composer-field")).to_be_focused()
    return page


def say(playground: Playground, text: str = "", user_id: str = ALICE, **more: Any) -> Message:
    """The bot writes to a person."""
    return playground.do(
        lambda world, bot: world.post(world.directory.private(bot, user_id), bot.user, text=text, **more)
    )


def bubbles(page: Page) -> Any:
    return page.locator("article")


def test_a_conversation(chat: Page, playground: Playground) -> None:
    chat.locator("#composer-field").fill("two lines:\nhello")
    chat.keyboard.press("Enter")
    mine = bubbles(chat).last
    expect(mine).to_have_class(re.compile("mine"))
    expect(mine.locator(".text")).to_have_text("two lines:\nhello")
    expect(chat.locator("#composer-field")).to_have_value("")
    (event,) = playground.do(lambda world, bot: bot.queue.take(0, 10))
    assert event["payload"]["text"] == "two lines:\nhello"

    message = say(playground, "bold move", format={"bold": [{"offset": 0, "length": 4}]})
    theirs = bubbles(chat).last
    expect(theirs).to_have_class(re.compile("theirs"))
    expect(theirs.locator("strong")).to_have_text("bold")
    expect(chat.locator("#announcer")).to_contain_text("bold move")

    playground.do(lambda world, bot: world.revise(world.directory.private(bot, ALICE), message, "changed", {}, None))
    expect(theirs.locator(".text")).to_have_text("changed")
    expect(theirs.locator(".edited")).to_be_visible()
    playground.do(lambda world, bot: world.remove(world.directory.private(bot, ALICE), message))
    expect(theirs).to_have_class(re.compile("gone"))
    expect(theirs).not_to_contain_text("changed")


def test_a_button_waits_for_its_answer(chat: Page, playground: Playground) -> None:
    rows = [[{"text": "Yes", "callbackData": "yes", "style": "primary"}, {"text": "No", "callbackData": "no"}]]
    say(playground, "Sure?", keyboard=rows)
    yes, no = chat.get_by_role("button", name="Yes"), chat.get_by_role("button", name="No", exact=True)
    yes.click()
    expect(yes).to_have_attribute("aria-busy", "true")
    expect(no).not_to_have_attribute("aria-busy", "true")
    (event,) = playground.do(lambda world, bot: bot.queue.take(0, 10))
    assert event["payload"]["callbackData"] == "yes"

    def answer(text: str, show_alert: bool, url: str = "") -> None:
        query_id = playground.do(lambda world, bot: bot.queue.take(0, 10))[-1]["payload"]["queryId"]
        fields = {"text": text, "showAlert": show_alert, "url": url}
        playground.do(lambda world, bot: world.answer_query(world.queries.find(bot, query_id), fields))

    answer("Good", show_alert=False)
    expect(chat.get_by_role("status").filter(has_text="Good")).to_be_visible()
    expect(yes).not_to_have_attribute("aria-busy", "true")
    expect(yes).to_be_focused()

    no.click()
    expect(no).to_have_attribute("aria-busy", "true")
    answer("Pity", show_alert=True, url="javascript:alert(1)")
    dialog = chat.get_by_role("dialog")
    expect(dialog).to_contain_text("Pity")
    expect(dialog.locator("a")).to_be_hidden()
    chat.keyboard.press("Enter")
    expect(dialog).to_be_hidden()


def test_an_unanswered_press_ends_after_thirty_seconds(page: Page, playground: Playground) -> None:
    page.clock.install()
    page.goto(f"{playground.url}#/{ALICE}/{BOT_ID}")
    say(playground, "?", keyboard=[[{"text": "Go", "callbackData": "go"}]])
    button = page.get_by_role("button", name="Go", exact=True)
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    page.clock.fast_forward(29_000)
    expect(button).to_have_attribute("aria-busy", "true")
    page.clock.fast_forward(1_500)
    expect(button).not_to_have_attribute("aria-busy", "true")
    expect(page.get_by_role("alert")).to_contain_text("30 seconds")


def test_typing_shows_and_goes_by_itself(page: Page, playground: Playground) -> None:
    page.clock.install()
    page.goto(f"{playground.url}#/{ALICE}/{BOT_ID}")
    expect(page.locator("#chat-empty")).to_be_visible()

    def act(*actions: str) -> None:
        playground.do(lambda world, bot: world.act(world.directory.private(bot, ALICE), bot.user, actions))

    act("typing")
    expect(page.locator("#typing")).to_contain_text("is typing")
    page.clock.fast_forward(10_500)
    expect(page.locator("#typing")).to_be_hidden()
    act("looking")
    expect(page.locator("#typing")).to_contain_text("is looking")
    act()
    expect(page.locator("#typing")).to_be_hidden()
    act("typing")
    say(playground, "here")
    expect(bubbles(page)).to_have_count(1)
    expect(page.locator("#typing")).to_be_hidden()


def test_hostile_texts_are_inert(chat: Page, playground: Playground) -> None:
    """In every place where a stranger's words show."""
    evil = {"userId": "<b>evil</b>", "firstName": HOSTILE}
    quoted = {"from": evil, "msgId": "1", "text": HOSTILE, "timestamp": 1}
    stored = playground.do(lambda world, bot: world.files.add(f"{HOSTILE}.txt", b"x"))
    parts = [
        {"type": "reply", "payload": {"message": quoted}},
        {"type": "forward", "payload": {"message": quoted}},
        {"type": "mention", "payload": evil},
        stored.part(HOSTILE),
    ]
    length = len(HOSTILE)
    rows = [
        [{"text": HOSTILE, "callbackData": "x"}, {"text": "js", "url": "javascript:document.title='hacked'"}],
        [{"text": "fine", "url": "https://example.com/"}],
    ]
    playground.do(lambda world, bot: world.add_user("evil@example.com", HOSTILE))
    playground.do(lambda world, bot: world.create_chat("group", HOSTILE, [ALICE, BOT_ID]))
    say(
        playground,
        f"{HOSTILE} @[<b>evil</b>]",
        parts=parts,
        keyboard=rows,
        format={
            "link": [{"offset": 0, "length": 9, "url": "javascript:document.title='hacked'"}],
            "pre": [{"offset": 20, "length": 10, "code": HOSTILE}],
            "bold": [{"offset": 0, "length": length}],
        },
    )
    message = bubbles(chat).last
    expect(message.locator(".text").last).to_contain_text("<script>")
    expect(message.get_by_role("button", name="js", exact=True)).to_be_disabled()
    expect(message.get_by_role("link", name="fine")).to_have_attribute("href", "https://example.com/")
    chat.locator("#identity").click()
    expect(chat.get_by_role("menuitemradio").last).to_contain_text("<script>")
    chat.keyboard.press("Escape")

    found = chat.evaluate(
        """() => ({
            scripts: document.querySelectorAll("body script:not([type])").length,
            images: document.querySelectorAll("img").length,
            handlers: [...document.querySelectorAll("*")].filter((node) => node.hasAttribute("onerror")).length,
            links: [...document.links].map((link) => link.protocol).filter((name) => !/^https?:$/.test(name)).length,
            title: document.title,
        })"""
    )
    assert found == {"scripts": 0, "images": 0, "handlers": 0, "links": 0, "title": found["title"]}
    assert "hacked" not in found["title"]


def test_ones_own_message_can_be_answered_edited_and_deleted(chat: Page, playground: Playground) -> None:
    field = chat.locator("#composer-field")
    field.fill("frist")
    field.press("Enter")
    expect(bubbles(chat)).to_have_count(1)

    field.press("ArrowUp")
    expect(field).to_have_value("frist")
    field.fill("first")
    field.press("Enter")
    expect(bubbles(chat).first.locator(".text")).to_have_text("first")
    expect(field).to_have_value("")

    bubbles(chat).first.focus()
    chat.keyboard.press("Enter")
    chat.get_by_role("menuitem", name="Reply").press("Enter")
    expect(field).to_be_focused()
    field.fill("second")
    field.press("Enter")
    expect(bubbles(chat).last.locator(".quote")).to_contain_text("first")

    bubbles(chat).first.click(button="right")
    chat.get_by_role("menuitem", name="Delete").click()
    expect(bubbles(chat).first).to_have_class(re.compile("gone"))


def test_commands_and_people_are_suggested(chat: Page, playground: Playground) -> None:
    say(playground, "You may also /dance, or visit https://example.com/stay")
    expect(bubbles(chat)).to_have_count(1)
    field, options = chat.locator("#composer-field"), chat.get_by_role("option")
    field.press_sequentially("/")
    expect(options).to_have_text(["/startBegin", "/stopEnd", "/dance"])
    field.press_sequentially("sto")
    expect(options).to_have_count(1)
    field.press("Enter")
    expect(field).to_have_value("/stop ")
    expect(options).to_have_count(0)

    chat.locator(f'.row[data-id="{TEAM}"]').click()
    expect(field).to_have_value("")
    field.press_sequentially("hi @bo")
    expect(options).to_have_count(2)
    field.press("ArrowUp")
    field.press("ArrowDown")
    field.press("Tab")
    expect(field).to_have_value(f"hi @[{BOB}] ")
    field.press("Enter")
    expect(bubbles(chat).last.locator(".mention")).to_have_text("@Bob Brown")

    chat.locator(f'.row[data-id="{BOT_ID}"]').click()
    expect(field).to_have_value("/stop ")  # the draft
    chat.get_by_role("button", name="/dance").click()
    expect(bubbles(chat).last.locator(".text")).to_have_text("/dance")


def test_a_command_typed_in_full_is_sent_though_it_begins_a_longer_one(chat: Page, playground: Playground) -> None:
    say(playground, "There are /orders and /order")
    expect(bubbles(chat)).to_have_count(1)
    field = chat.locator("#composer-field")
    field.press_sequentially("/order")
    expect(chat.get_by_role("option")).to_have_text(["/orders", "/order"])
    field.press("Enter")
    expect(bubbles(chat).last.locator(".text")).to_have_text("/order")
    expect(field).to_have_value("")


def test_a_file_is_sent_and_a_picture_shown(chat: Page, playground: Playground) -> None:
    chat.locator("#composer-field").fill("a pixel")
    chat.locator("#attach-input").set_input_files({"name": "pixel.png", "mimeType": "image/png", "buffer": PIXEL})
    # Its address is the world's, which the view finds in the scope.
    expect(bubbles(chat).last.locator("img")).to_have_js_property("naturalWidth", 1)
    expect(bubbles(chat).last.locator(".text")).to_have_text("a pixel")
    chat.locator("#attach-input").set_input_files({"name": "note.txt", "mimeType": "text/plain", "buffer": b"12345"})
    expect(bubbles(chat).last.locator(".chip-name")).to_have_text("note.txt")
    expect(bubbles(chat).last.locator(".chip-size")).to_have_text("5\u00a0B")
    first, second = playground.do(lambda world, bot: bot.queue.take(0, 10))
    assert first["payload"]["parts"][0]["payload"]["caption"] == "a pixel"
    assert second["payload"]["parts"][0]["payload"].get("caption") is None


def test_unread_messages_are_counted_and_read(chat: Page, playground: Playground) -> None:
    playground.do(lambda world, bot: [world.write(BOB, TEAM, str(number)) for number in range(3)])
    row = chat.locator(f'.row[data-id="{TEAM}"]')
    expect(row.locator(".badge")).to_have_text("3")
    expect(chat).to_have_title("(3) Playground")
    row.click()
    expect(row.locator(".badge")).to_have_count(0)
    expect(bubbles(chat).first.locator(".author")).to_have_text("Bob Brown")
    chat.reload()
    expect(chat.locator(".row")).to_have_count(2)
    expect(row.locator(".badge")).to_have_count(0)
    expect(bubbles(chat)).to_have_count(3)


def test_one_is_another_person_and_a_new_one(chat: Page, playground: Playground) -> None:
    say(playground, "for Alice only")
    expect(bubbles(chat)).to_have_count(1)
    chat.locator("#identity").click()
    chat.get_by_role("menuitemradio", name="Bob Brown").click()
    expect(chat.locator("#identity")).to_contain_text("Bob Brown")
    expect(chat.locator("#chat-empty")).to_be_visible()
    chat.get_by_role("button", name="/start").click()
    expect(bubbles(chat).last.locator(".text")).to_have_text("/start")

    chat.locator("#identity").click()
    chat.get_by_role("menuitem", name="Add a person").click()
    chat.get_by_label("First name").fill("Carol")
    chat.get_by_label("First name").press("Enter")
    expect(chat.locator("#identity")).to_contain_text("Carol")
    chat.go_back()
    expect(chat.locator("#identity")).to_contain_text("Bob Brown")
    assert "carol@example.com" in playground.do(lambda world, bot: list(world.users))


def test_the_dialog_for_a_person_keeps_the_focus_while_the_menu_closes(chat: Page) -> None:
    chat.locator("#identity").click()
    focused = chat.get_by_role("menuitem", name="Add a person").evaluate(
        """async (item) => {
            const names = [];
            document.addEventListener("focusin", ({ target }) => names.push(target.name ?? target.id));
            item.click();
            names.push(document.activeElement.name);
            await new Promise((closed) => item.closest("[popover]").addEventListener("toggle", closed));
            await new Promise(requestAnimationFrame);
            return [names.at(-1), document.activeElement.name];
        }"""
    )
    assert focused == ["firstName", "firstName"]


def test_news_of_people_do_not_undo_a_switch_that_has_just_begun(page: Page, playground: Playground) -> None:
    """The news came between the address and its hashchange: a new person was added, and one stayed who one was."""
    page.add_init_script(
        """window.WebSocket = class extends WebSocket {
            constructor(address) {
                super(address);
                this.addEventListener("message", ({ data }) => {
                    if (JSON.parse(data).event !== "people") return;
                    window.repeatPeople = () => this.dispatchEvent(new MessageEvent("message", { data }));
                });
            }
        }"""
    )
    page.goto(f"{playground.url}#/{ALICE}/{BOT_ID}")
    expect(page.locator("#composer-field")).to_be_focused()
    page.evaluate(f"location.hash = '#/{BOB}/{BOT_ID}'; repeatPeople()")
    expect(page.locator("#identity")).to_contain_text("Bob Brown")
    expect(page.locator("#composer-field")).to_be_focused()
    assert page.url.endswith(f"#/{BOB.replace('@', '%40')}/{BOT_ID}")


def test_reading_further_up_is_not_disturbed(chat: Page, playground: Playground) -> None:
    playground.do(
        lambda world, bot: [
            world.post(world.directory.private(bot, ALICE), bot.user, text=f"line {number}") for number in range(150)
        ]
    )
    scroller, jump = chat.locator("#scroller"), chat.locator("#jump")
    expect(bubbles(chat).last).to_be_in_viewport()
    chat.reload()
    expect(bubbles(chat)).to_have_count(60)
    expect(bubbles(chat).last).to_be_in_viewport()
    expect(jump).to_be_hidden()

    # Older messages come above, and what is seen stays where it is.
    scroller.evaluate("node => node.scrollTo(0, 200)")
    seen = chat.locator("article", has_text="line 95")
    before = seen.bounding_box()
    expect(bubbles(chat)).to_have_count(120)
    after = seen.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2

    say(playground, "the newest")
    expect(jump).to_have_text("New messages: 1")
    assert abs((seen.bounding_box() or before)["y"] - after["y"]) < 2
    jump.click()
    expect(chat.locator("article", has_text="the newest")).to_be_in_viewport()
    expect(jump).to_be_hidden()


def test_it_comes_back_after_the_server_does(chat: Page, playground: Playground) -> None:
    field = chat.locator("#composer-field")
    field.fill("draft")
    playground.stop()
    expect(chat.locator("#status")).to_contain_text("No connection")
    expect(chat.locator("#chat-head")).to_contain_text("No connection")
    expect(chat.locator("#composer-send")).to_be_disabled()
    field.press("Enter")
    expect(field).to_have_value("draft")

    playground.start()
    say(playground, "while you were away")
    expect(chat.locator("#status")).to_be_hidden()
    expect(bubbles(chat).last.locator(".text")).to_have_text("while you were away")
    expect(bubbles(chat)).to_have_count(1)
    field.press("Enter")
    expect(bubbles(chat).last.locator(".text")).to_have_text("draft")


def test_a_bot_that_does_not_come_is_pointed_out(chat: Page, playground: Playground) -> None:
    chat.locator("#composer-field").fill("anybody?")
    chat.keyboard.press("Enter")
    expect(chat.locator("#idle")).to_contain_text("Is it running?", timeout=15_000)
    playground.do(lambda world, bot: bot.queue.take(0, 10))
    expect(chat.locator("#idle")).to_be_hidden()


def test_a_reset_world_is_shown_anew(chat: Page, playground: Playground) -> None:
    say(playground, "soon forgotten")
    expect(bubbles(chat)).to_have_count(1)
    playground.do(lambda world, bot: world.reset())
    expect(bubbles(chat)).to_have_count(0)
    expect(chat.locator("#chat-empty")).to_be_visible()


def test_on_a_phone_there_is_the_list_or_the_chat(page: Page, playground: Playground) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(playground.url)
    page.locator(f'.row[data-id="{BOT_ID}"]').click()
    expect(page.locator("#composer-field")).to_be_visible()
    expect(page.locator("#chat-list")).to_be_hidden()
    page.get_by_role("button", name="Back to the chats").click()
    expect(page.locator("#chat-list")).to_be_visible()
    expect(page.locator("#composer-field")).to_be_hidden()
    wait_until(lambda: page.evaluate("document.documentElement.scrollWidth") <= 390, 5, "nothing sticks out")
