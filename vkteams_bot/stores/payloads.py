"""A method as a row of the outbox holds it: its parameters as JSON, and how its upload is found again."""

from __future__ import annotations

import base64
from typing import Any

from django.core.files.storage import InvalidStorageError, storages

from vkteams_bot.api.files import InputFile, StoredFile
from vkteams_bot.api.methods import METHODS, Method
from vkteams_bot.exceptions import InvalidCall

MAX_STORED_BYTES = 1024 * 1024
STORED_FIRST = "a call that waits its turn is stored first"


FILE = "file"


class UnreadableRow(ValueError):
    """The row was not written by this version, or by nobody of us; the text says what is wrong with it."""


def stored(method: Method[Any], default_parse_mode: str | None) -> dict[str, Any]:
    """The parameters as a row holds them. Raises InvalidCall for an upload that no row can hold."""
    params: dict[str, Any] = dict(method.params(default_parse_mode))
    upload = method.upload
    if upload is not None:
        params[FILE] = stored_upload(upload)
    return params


def restored(path: str, params: dict[str, Any]) -> Method[Any]:
    """The method of a row. Raises UnreadableRow."""
    try:
        wire = {name: value if isinstance(value, list) else [value] for name, value in params.items() if name != FILE}
        file = restored_upload(params[FILE]) if FILE in params else None
        return METHODS[path].from_wire(wire, file=file)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise UnreadableRow(f"This row cannot be sent: {error!r}") from error


def stored_upload(upload: InputFile) -> dict[str, Any]:
    """A file in a storage by its name there, one on disk by its path, one on the web by its address; else its bytes.

    Raises InvalidCall for more than 1 MB of bytes and for what another process could not find again.
    """
    if upload.web is not None:
        if upload.web.proxy is not None:
            raise InvalidCall(f"{upload.filename}: {STORED_FIRST}, and a proxy may have a password: await it instead")
        return {"url": upload.web.url, "filename": upload.web.filename, "max_size": upload.web.max_size}
    alias = _alias(upload.stored) if upload.stored is not None else None
    if upload.stored is not None and alias is not None:
        return {"storage": alias, "name": upload.stored.name, "filename": upload.filename}
    if upload.path is not None and not upload.is_temporary:
        return {"path": str(upload.path.absolute()), "filename": upload.filename}
    if upload.is_far:
        raise InvalidCall(
            f"{upload.filename}: {STORED_FIRST}, and its storage is not one of STORAGES: await it instead"
        )
    with upload.open() as file:
        content = file.read(MAX_STORED_BYTES + 1)
    if len(content) > MAX_STORED_BYTES:
        raise InvalidCall(
            f"{upload.filename}: {STORED_FIRST}, with at most {MAX_STORED_BYTES // 1024} KB of content: "
            "await it instead, or save the file and give its path or its file field"
        )
    return {"base64": base64.b64encode(content).decode("ascii"), "filename": upload.filename}


def restored_upload(value: Any) -> InputFile:
    """The upload of a row. Raises KeyError or ValueError when it is none, InvalidCall when its storage is gone."""
    if "url" in value:
        return InputFile.from_url(value["url"], filename=value["filename"], max_size=value["max_size"])
    filename = value["filename"]
    if "base64" in value:
        return InputFile.from_base64(value["base64"], filename=filename)
    if "path" in value:
        return InputFile(value["path"], filename=filename)
    try:
        storage = storages[value["storage"]]
    except InvalidStorageError as error:
        raise InvalidCall(f"{filename}: {error}") from error
    return InputFile(StoredFile(storage, value["name"]), filename=filename)


def _alias(stored: StoredFile) -> str | None:
    """The name in STORAGES; None for a storage that a field made for itself."""
    return next((alias for alias in storages.backends if storages[alias] == stored.storage), None)
