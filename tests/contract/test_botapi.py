"""The outside description of the Bot API against the client and the emulator, in both directions.

`botapi-openapi.yaml` holds the facts of the specification and of later editions. Where client or emulator differ from
it on purpose, the difference stands in a table here with its reason; an entry that no longer differs fails, too.
"""

import dataclasses
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel, RootModel

from tests.emulator.serving import ALICE, BOB, TEAM
from vkteams_bot.api import InputFile
from vkteams_bot.api.call import Endpoint
from vkteams_bot.api.facade import Facade
from vkteams_bot.api.methods import METHODS, Method
from vkteams_bot.api.types.events import PAYLOADS
from vkteams_bot.api.unset import UNSET
from vkteams_bot.emulator.endpoints import ENDPOINTS
from vkteams_bot.emulator.world import World

Shape = dict[str, Any]  # the fields of an object, each with its shape; of a list, those of its items

SPEC = yaml.load((Path(__file__).parent / "botapi-openapi.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
PATHS: dict[str, Any] = {path.removeprefix("/"): item for path, item in SPEC["paths"].items()}

IMAGE = InputFile(b"x", filename="x.png")

NOT_DESCRIBED = {"messages/sendTextWithDeeplink": "bot-golang has it; some installations allow it"}
NOT_IN_THE_LIST = {
    "parent_topic": "seen in events; one client sends it",
    "request-id": "bot-golang sends it, for tracing in the server's logs",
}
# One of these must be given, and which is up to the caller: the first stands beside the other parameters below.
ONE_OF = {
    "messages/sendFile": ["fileId"],
    "messages/sendVoice": ["fileId"],
    "chats/resolvePending": ["userId", "everyone"],
    "threads/subscribers/get": ["pageSize", "cursor"],
}

# "+": we have it and the description has not; "-": the other way round. Patterns, as for file names.
OF_THE_CLIENT = {
    "+self/get.lastName": "bot-java reads it",
    "+chats/getInfo.phone": "bot-java reads it",
    "+messages/sendText.fileId": "all sends share one result",
    "-chats/avatar/set.description": "comes with ok: false, and is the error's text then",
    "+*.nick": "live captures have it",
    "+newMessage.editedTimestamp": "the twin of a deleted message has it",
    "+*.parent_topic": "bot-golang decodes it; seen in threads",
    "+*.message.chat": "Mail.ru's Jira plugin decodes it in quotes",
    "+*.message.parts": "Mail.ru's Jira plugin decodes them in quotes",
    "+editedMessage.parts": "seen live",
    "+pinnedMessage.parts": "possible as in any message",
    "+newMessage.parts.payload.text": "the part with a keyboard is described, but not listed",
    "+newMessage.parts.payload.callbackData": "the part with a keyboard",
    "+newMessage.parts.payload.url": "the part with a keyboard",
    "+newMessage.parts.payload.style": "the part with a keyboard",
    "+callbackQuery.message.*": "a message as such, in live captures",
    "-callbackQuery.message.*": "the description has a whole event there",
}
OF_THE_EMULATOR = {
    "-self/get.photo": "the live minimum has none",
    "-chats/avatar/set.description": "comes with ok: false only",
    "-deletedMessage.chat.title": "only private chats report deletions, and have no title",
    "+pinnedMessage.parts": OF_THE_CLIENT["+pinnedMessage.parts"],
    "+*.nick": OF_THE_CLIENT["+*.nick"],
    "+newMessage.editedTimestamp": OF_THE_CLIENT["+newMessage.editedTimestamp"],
    "+newMessage.parent_topic*": OF_THE_CLIENT["+*.parent_topic"],
    "+*.message.parts": OF_THE_CLIENT["+*.message.parts"],
    "+editedMessage.parts": OF_THE_CLIENT["+editedMessage.parts"],
    "+callbackQuery.message.*": OF_THE_CLIENT["+callbackQuery.message.*"],
    "-callbackQuery.message.*": OF_THE_CLIENT["-callbackQuery.message.*"],
    "-callbackQuery.chat*": "live captures have it in the message only",
}


def unexplained(differences: set[str], table: dict[str, str]) -> tuple[set[str], set[str]]:
    """Differences that are in no table, and entries of the table that explain nothing."""
    explained = {(found, pattern) for found in differences for pattern in table if fnmatchcase(found, pattern)}
    return differences - {found for found, _ in explained}, table.keys() - {pattern for _, pattern in explained}


# Reading the description.


def resolved(schema: Any) -> Any:
    while "$ref" in schema:
        node = SPEC
        for key in schema["$ref"].removeprefix("#/").split("/"):
            node = node[key]
        schema = node
    return schema


def operations(path: str) -> list[Any]:
    return [operation for verb, operation in PATHS[path].items() if verb in ("get", "post")]


def parameters(operation: Any) -> dict[str, Any]:
    found = [resolved(parameter) for parameter in operation["parameters"]]
    return {parameter["name"]: parameter for parameter in found if parameter["name"] != "token"}


def body_parts(operation: Any) -> set[str]:
    body = operation.get("requestBody")
    return set(body["content"]["multipart/form-data"]["schema"]["properties"]) if body else set()


def merged(shapes: list[Shape]) -> Shape:
    names = dict.fromkeys(name for shape in shapes for name in shape)
    return {name: merged([shape[name] for shape in shapes if name in shape]) for name in names}


def documented_shape(schema: Any) -> Shape:
    schema = resolved(schema)
    variants = [variant for key in ("oneOf", "allOf") for variant in schema.get(key, ())]
    if "items" in schema:
        variants.append(schema["items"])
    own = {name: documented_shape(value) for name, value in schema.get("properties", {}).items()}
    return merged([own, *map(documented_shape, variants)])


def documented_answer(path: str) -> Shape:
    shapes = []
    for operation in operations(path):
        answer = resolved(operation["responses"]["200"])
        shapes.append(documented_shape(answer["content"]["application/json"]["schema"]))
    shape = merged(shapes)
    shape.pop("ok", None)
    return shape


def documented_events() -> dict[str, Shape]:
    found = {}
    for reference in SPEC["components"]["schemas"]["events"]["properties"]["events"]["items"]["oneOf"]:
        properties = resolved(reference)["properties"]
        found[properties["type"]["example"]] = documented_shape(properties["payload"])
    return found


def size(shape: Shape) -> int:
    return len(shape) + sum(map(size, shape.values()))


# Paths.


def test_client_facade_and_emulator_have_every_path_and_no_other():
    facade: list[Any] = [value.make for value in vars(Facade).values() if isinstance(value, Endpoint)]
    assert PATHS.keys() | NOT_DESCRIBED.keys() == METHODS.keys()
    assert NOT_DESCRIBED.keys() & PATHS.keys() == set()
    assert sorted(METHODS) == sorted(ENDPOINTS) == sorted(method.path for method in facade)
    assert all(METHODS[path] is endpoint.method for path, endpoint in ENDPOINTS.items())
    assert len(PATHS) == 30


def test_private_methods_are_those_of_the_description():
    private = {path for path in PATHS for op in operations(path) if op.get("x-availability") == "private-method"}
    assert private == {path for path, endpoint in ENDPOINTS.items() if endpoint.private}
    assert len(private) == 2


# Parameters.


def own_parameters(method: type[Method[Any]]) -> dict[str, bool]:
    """Every name on the wire, and whether it is always sent."""
    found = {}
    for field in dataclasses.fields(method):  # type: ignore[arg-type]
        name = method.wire_names.get(field.name, method.upload_part)
        assert name is not None
        found[name] = field.default is not None and field.default is not UNSET
    return found


@pytest.mark.parametrize("path", sorted(PATHS))
def test_parameters_have_the_documented_names(path):
    documented = {name for operation in operations(path) for name in [*parameters(operation), *body_parts(operation)]}
    own = own_parameters(METHODS[path]).keys()
    assert documented - own == set()
    assert own - documented <= NOT_IN_THE_LIST.keys()


@pytest.mark.parametrize("path", sorted(PATHS))
def test_what_is_required_is_always_sent_and_the_rest_need_not_be(path):
    required = [
        {name for name, parameter in parameters(operation).items() if parameter.get("required")} | body_parts(operation)
        for operation in operations(path)
    ]
    assert {name for name, always in own_parameters(METHODS[path]).items() if always} == set.intersection(*required)


def examples(parameter: Any) -> list[list[str]]:
    """Texts that the description allows as the value: one of each kind."""
    if "content" in parameter:
        return [[json.dumps(example(parameter["content"]["application/json"]["schema"]))]]
    schema = parameter["schema"]
    if schema["type"] == "array":
        each = [texts for (texts,) in examples({"schema": schema["items"]})]
        return [[text] for text in each] + [each if len(each) > 1 else ["7", "57883346846815032"]]
    by_type = {"string": ["681869378@chat.agent"], "integer": ["57883346846815032"], "boolean": ["true", "false"]}
    return [[text] for text in schema.get("enum", by_type[schema["type"]])]


def example(schema: Any) -> Any:
    """A value with every property, and of every variant in a list."""
    schema = resolved(schema)
    if "allOf" in schema:
        return {name: value for variant in schema["allOf"] for name, value in example(variant).items()}
    if schema["type"] == "array":
        items = resolved(schema["items"])
        return [example(item) for item in items.get("oneOf", [items])]
    if schema["type"] == "object":
        return {name: example(value) for name, value in schema["properties"].items()}
    return schema.get("enum", [{"string": "x", "integer": 5, "boolean": True}[schema["type"]]])[0]


def documented_values() -> list[Any]:
    found = []
    for path in sorted(PATHS):
        known = {name: value for operation in operations(path) for name, value in parameters(operation).items()}
        needed = {name: examples(value)[0] for name, value in known.items() if value.get("required")}
        needed = {name: texts for name, texts in needed.items() if name in own_parameters(METHODS[path])}
        one_of = ONE_OF.get(path, [])
        for name, parameter in known.items():
            beside = {} if name in one_of else {other: examples(known[other])[0] for other in one_of[:1]}
            for texts in examples(parameter):
                if name in one_of and texts == ["false"]:
                    continue
                found.append(
                    pytest.param(path, name, {**needed, **beside, name: texts}, id=f"{path}-{name}-{texts[0]}")
                )
    return found


VALUES = documented_values()


def test_values_of_all_parameters_are_tried():
    assert len(VALUES) > 100
    assert {value.values[0] for value in VALUES} == {path for path in PATHS if path != "self/get"}


@pytest.mark.parametrize(("path", "name", "wire"), VALUES)
def test_documented_value_is_understood_and_sent_the_same(path, name, wire):
    file = IMAGE if METHODS[path].upload_part and path not in ONE_OF else None
    sent = METHODS[path].from_wire(wire, file=file).params()[name]
    texts = [sent] if isinstance(sent, str) else sent
    if wire[name][0].startswith(("[", "{")):
        assert json.loads(texts[0]) == json.loads(wire[name][0])
    else:
        assert texts == wire[name]


# Results and events of the client.


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return models_in(annotation.model_fields["root"].annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def differences(documented: Shape, annotations: list[Any], where: str) -> set[str]:
    """Between a documented shape and models; a level that the description leaves open is not looked into."""
    fields: dict[str, list[Any]] = {}
    for model in [model for annotation in annotations for model in models_in(annotation)]:
        for name, field in model.model_fields.items():
            alias = field.alias or name
            fields.setdefault(alias, []).append(field.annotation)
    found = {f"-{where}.{name}" for name in documented.keys() - fields.keys()}
    found |= {f"+{where}.{name}" for name in fields.keys() - documented.keys()}
    for name in documented.keys() & fields.keys():
        if documented[name]:
            found |= differences(documented[name], fields[name], f"{where}.{name}")
    return found


def test_results_and_events_have_the_documented_fields():
    found, looked_at = set(), 0
    for path in sorted(PATHS.keys() - {"events/get"}):
        documented = documented_answer(path)
        looked_at += size(documented)
        found |= differences(documented, [METHODS[path].result], path)
    events = documented_events()
    assert PAYLOADS.keys() - events.keys() == {"changedChatInfo"}, "it was observed once"
    for kind, documented in events.items():
        looked_at += size(documented)
        found |= differences(documented, [PAYLOADS[kind]], kind)
    wrong, unused = unexplained(found, OF_THE_CLIENT)
    assert (wrong, unused) == (set(), set())
    assert looked_at > 150


# Answers and events of the emulator.


class Stage:
    """A world in which everything happens once, each call by way of the wire."""

    def __init__(self) -> None:
        self.world = World(["001.1.1:1000000001"])
        (self.bot,) = self.world.bots.values()
        self.answers: dict[str, list[Any]] = {}

    def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        method = getattr(Facade, name)(None, *args, **kwargs).take()
        wire = {key: [value] if isinstance(value, str) else value for key, value in method.params().items()}
        endpoint = ENDPOINTS[method.path]
        answer = endpoint.serve(self.world, self.bot, endpoint.method.from_wire(wire, file=method.upload))
        assert isinstance(answer, dict)
        method.decode({**answer, "ok": True}, None)
        self.answers.setdefault(method.path, []).append(answer)
        return answer

    def play(self) -> None:
        self.bot.user = dataclasses.replace(self.bot.user, about="a bot")
        self.world.directory.users[ALICE] = dataclasses.replace(self.world.users[ALICE], about="a person")
        self.world.behaviour = self.world.behaviour.changed({"members_page_size": 1})
        self.ask("get_me")
        self.play_sending()
        quoted = self.play_people_writing()
        self.play_chats(quoted)
        self.play_members()
        self.play_threads(quoted)
        self.ask("get_events")

    def play_sending(self) -> None:
        keyboard = json.dumps([[{"text": "a", "callbackData": "x"}]])
        sent = self.ask("send_text", TEAM, "hi", inline_keyboard_markup=keyboard)["msgId"]
        self.ask("answer_callback_query", self.world.press(ALICE, TEAM, sent, "x"), text="done")
        self.ask("edit_text", TEAM, sent, "ho")
        self.ask("send_actions", TEAM, "typing")
        self.ask("get_file_info", self.ask("send_file", TEAM, IMAGE)["fileId"])
        self.ask("send_voice", ALICE, InputFile(b"x", filename="x.ogg"))
        self.ask("delete_messages", TEAM, sent)

    def play_people_writing(self) -> str:
        world, bot_id = self.world, self.bot.user_id
        one = {"offset": 0, "length": 1}
        styles = SPEC["components"]["schemas"]["format"]["properties"]
        styled = {style: [{**one, **{"link": {"url": "u"}, "pre": {"code": "c"}}.get(style, {})}] for style in styles}
        captioned = world.files.add("x.png", b"x").part("look", styled)
        sticker = {"type": "sticker", "payload": {"fileId": "2"}}
        quoted = world.write(ALICE, TEAM, f"@[{BOB}]", [captioned, sticker], styled)
        team = world.directory.group(TEAM)
        forward = {"type": "forward", "payload": {"message": team.find(quoted).quoted()}}
        world.write(BOB, TEAM, "x", [forward], reply_to=quoted)
        world.revise(team, team.find(quoted), f"@[{BOB}]", styled, None)
        world.delete(ALICE, bot_id, world.write(ALICE, bot_id, "x"))
        return quoted

    def play_chats(self, msg_id: str) -> None:
        for what in ("title", "about", "rules"):
            self.ask(f"set_chat_{what}", TEAM, what)
        self.ask("set_chat_avatar", TEAM, IMAGE)
        for chat_id in (TEAM, ALICE, self.bot.user_id):
            self.ask("get_chat_info", chat_id)
        news = self.ask("create_chat", "News", about="a", rules="r", default_role="readonly")["sn"]
        self.ask("get_chat_info", news)
        self.ask("pin_message", TEAM, msg_id)
        self.ask("unpin_message", TEAM, msg_id)

    def play_members(self) -> None:
        self.ask("get_chat_admins", TEAM)
        cursor = None
        for _ in range(3):
            cursor = self.ask("get_chat_members", TEAM, cursor).get("cursor")
        self.ask("add_chat_members", TEAM, [ALICE])
        self.ask("delete_chat_members", TEAM, [BOB])
        self.world.join(TEAM, [BOB], ALICE)
        self.world.leave(TEAM, [BOB], ALICE)
        self.ask("block_user", TEAM, BOB)
        self.ask("get_blocked_users", TEAM)
        self.ask("unblock_user", TEAM, BOB)
        self.world.directory.group(TEAM).join_moderation = True
        self.world.join(TEAM, [BOB])
        self.ask("get_pending_users", TEAM)
        self.ask("resolve_pending", TEAM, True, everyone=True)

    def play_threads(self, msg_id: str) -> None:
        self.ask("threads_autosubscribe", TEAM, True)
        thread = self.ask("threads_add", TEAM, msg_id)["threadId"]
        self.world.write(BOB, thread, "x")
        self.ask("threads_get_subscribers", thread, page_size=1)


def seen_shape(value: Any) -> Shape:
    if isinstance(value, list):
        return merged([seen_shape(item) for item in value])
    return {name: seen_shape(item) for name, item in value.items()} if isinstance(value, dict) else {}


def shape_differences(documented: Shape, seen: Shape, where: str) -> set[str]:
    found = {f"-{where}.{name}" for name in documented.keys() - seen.keys()}
    found |= {f"+{where}.{name}" for name in seen.keys() - documented.keys()}
    for name in documented.keys() & seen.keys():
        found |= shape_differences(documented[name], seen[name], f"{where}.{name}")
    return found


def test_emulator_answers_with_every_documented_field_and_no_other():
    stage = Stage()
    stage.play()
    assert PATHS.keys() == stage.answers.keys()
    found = set()
    for path in sorted(PATHS.keys() - {"events/get"}):
        found |= shape_differences(documented_answer(path), seen_shape(stage.answers[path]), path)
    (batch,) = stage.answers["events/get"]
    kinds: dict[str, list[Any]] = {}
    for event in batch["events"]:
        assert event.keys() == {"eventId", "type", "payload"}
        kinds.setdefault(event["type"], []).append(event["payload"])
    events = documented_events()
    assert kinds.keys() == events.keys() | {"changedChatInfo"}
    for kind, documented in events.items():
        found |= shape_differences(documented, seen_shape(kinds[kind]), kind)
    assert len(batch["events"]) >= 15
    wrong, unused = unexplained(found, OF_THE_EMULATOR)
    assert (wrong, unused) == (set(), set())
