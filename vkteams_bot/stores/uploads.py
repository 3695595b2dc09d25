"""An upload as a row of the outbox holds it."""

from __future__ import annotations

import base64
from typing import Any

from django.core.files.storage import InvalidStorageError, storages

from vkteams_bot.api.files import InputFile, StoredFile
from vkteams_bot.exceptions import InvalidCall

MAX_STORED_BYTES = 1024 * 1024
STORED_FIRST = "a call that waits its turn is stored first"


def storable(upload: InputFile) -> dict[str, Any]:
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


def restored(value: Any) -> InputFile:
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
