"""multipart/form-data, of a body that is in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^\s;]+))', re.IGNORECASE)
PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;\s]*))')
BROWSER_ESCAPES = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))


class MalformedBody(ValueError):
    """The body is not what its Content-Type says."""


@dataclass(frozen=True, slots=True)
class Upload:
    name: str
    filename: str
    content: bytes


def parse_multipart(content_type: str, body: bytes) -> tuple[list[tuple[str, str]], list[Upload]]:
    """Fields and files, in their order. Raises MalformedBody."""
    boundary = BOUNDARY.search(content_type)
    if boundary is None:
        raise MalformedBody("no boundary in Content-Type")
    delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1")
    chunks = (b"\r\n" + body).split(delimiter)
    if len(chunks) < 2 or not chunks[-1].startswith(b"--"):
        raise MalformedBody("the last boundary is missing")
    fields: list[tuple[str, str]] = []
    uploads: list[Upload] = []
    for chunk in chunks[1:-1]:
        head, separator, content = chunk.partition(b"\r\n\r\n")
        name, filename = _disposition(head)
        if not separator or name is None:
            raise MalformedBody("a part without a name")
        if filename is None:
            fields.append((name, content.decode("utf-8", "replace")))
        else:
            uploads.append(Upload(name, filename, content))
    return fields, uploads


def _disposition(head: bytes) -> tuple[str | None, str | None]:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            parameters = {match[1].lower(): _value(match) for match in PARAMETER.finditer(value)}
            extended = parameters.get("filename*")
            filename = parameters.get("filename") if extended is None else unquote(extended.rpartition("''")[2])
            return parameters.get("name"), filename
    return None, None


def _value(match: re.Match[str]) -> str:
    if match[2] is None:
        return match[3]
    value = re.sub(r'\\(["\\])', r"\1", match[2])
    for escape, sign in BROWSER_ESCAPES:
        value = value.replace(escape, sign)
    return value
