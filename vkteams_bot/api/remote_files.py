"""Files that are elsewhere, brought here for an upload."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import BinaryIO

from asgiref.sync import sync_to_async

from vkteams_bot.api.destinations import spool
from vkteams_bot.api.fetching import Fetch
from vkteams_bot.api.filenames import safe_name
from vkteams_bot.api.files import InputFile, StoredFile, WebFile
from vkteams_bot.api.http.sync_transport import SyncTransport
from vkteams_bot.api.http.tls import ssl_context
from vkteams_bot.api.http.transport import AsyncioTransport
from vkteams_bot.api.requests import http_url
from vkteams_bot.exceptions import InvalidCall


@asynccontextmanager
async def fetched(file: InputFile) -> AsyncIterator[InputFile]:
    """A copy of a far file, in memory or on disk. Raises DownloadFailed or InvalidCall."""
    with spool() as copy:
        filename = file.filename
        if file.web is not None:
            fetch = _fetch(file.web)
            async with AsyncioTransport(ssl_context=ssl_context(True), proxy=file.web.proxy) as transport:
                server_name = await fetch.run(transport, copy)
            filename = file.web.filename or safe_name(server_name)
        elif file.stored is not None:
            await sync_to_async(_copy)(file.stored, copy)
        yield InputFile(copy, filename=filename)


@contextmanager
def fetched_sync(file: InputFile) -> Iterator[InputFile]:
    """A copy as of `fetched`, from synchronous code."""
    with spool() as copy:
        filename = file.filename
        if file.web is not None:
            fetch = _fetch(file.web)
            with SyncTransport(verify=ssl_context(True), proxy=file.web.proxy, trust_env=False) as transport:
                server_name = fetch.run_sync(transport, copy)
            filename = file.web.filename or safe_name(server_name)
        elif file.stored is not None:
            _copy(file.stored, copy)
        yield InputFile(copy, filename=filename)


def _fetch(web: WebFile) -> Fetch:
    if web.proxy is not None and http_url(web.proxy) is None:
        # It may hold a password, so it is not shown.
        raise InvalidCall("from_url: proxy must look like http://host:3128 or http://user:password@host:3128")
    return Fetch(web.url, max_size=web.max_size)


def _copy(stored: StoredFile, copy: BinaryIO) -> None:
    try:
        with stored.storage.open(stored.name, "rb") as file:
            shutil.copyfileobj(file, copy)
    except OSError as error:
        raise InvalidCall(f"cannot read {stored.name}: {error.strerror or error}") from error
