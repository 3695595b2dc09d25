"""Spelling: other ways in which clients write parameters, each taken only where it is known or switched on."""

from __future__ import annotations

import json
from typing import Any

from vkteams_bot.emulator.multipart import MalformedBody

Params = dict[str, list[str]]

ENUMS = {
    "parseMode": ("MarkdownV2", "HTML"),
    "actions": ("looking", "typing"),
    "defaultRole": ("member", "readonly"),
}
CANONICAL = {name: {value.lower(): value for value in values} for name, values in ENUMS.items()}
ID_LISTS = ("replyMsgId", "forwardMsgId")


def spell(params: Params, *, any_case: bool, comma_ids: bool) -> None:
    """Turn these spellings into the documented ones; vkworkspace's `requestId` always."""
    if "requestId" in params:
        params.setdefault("request-id", params["requestId"])
    if any_case:
        for name in CANONICAL.keys() & params.keys():
            params[name] = [CANONICAL[name].get(value.lower(), value) for value in params[name]]
    if comma_ids:
        for name in ID_LISTS:
            if name in params:
                params[name] = [msg_id for text in params[name] for msg_id in text.split(",")]


def json_pairs(body: bytes) -> list[tuple[str, str]]:
    """The parameters of a JSON object: objects stay JSON, a list of plain values is a repeated key.

    Raises MalformedBody.
    """
    try:
        parameters = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedBody("the body is not JSON") from None
    if not isinstance(parameters, dict):
        raise MalformedBody("the body is no JSON object")
    return [(name, text) for name, value in parameters.items() if value is not None for text in _texts(value)]


def _texts(value: Any) -> list[str]:
    if isinstance(value, list) and not any(isinstance(item, list | dict) for item in value):
        return [_text(item) for item in value]
    return [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
