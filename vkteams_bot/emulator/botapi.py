"""BotApi: from a request for a method of the Bot API to its answer, by way of the faults."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Sequence

from vkteams_bot.api.files import InputFile
from vkteams_bot.api.methods import WireError
from vkteams_bot.emulator.endpoints import ENDPOINTS, Answer
from vkteams_bot.emulator.faults import Fault, Faults
from vkteams_bot.emulator.multipart import MalformedBody, Upload
from vkteams_bot.emulator.refusal import GatewayTimeout, RateLimited, Refusal
from vkteams_bot.emulator.request import Request
from vkteams_bot.emulator.spelling import Params, spell
from vkteams_bot.emulator.world import World

GARBAGE = "<html><body>It works!</body></html>"
UNKNOWN = "(unknown)"
HTML_TYPE = (b"content-type", b"text/html")


class BotApi:
    def __init__(self, world: World, faults: Faults, closing: asyncio.Event) -> None:
        self.requests: Counter[str] = Counter()
        self._world = world
        self._faults = faults
        self._closing = closing

    async def serve(self, request: Request, path: str) -> None:
        """Answer, or not, as the faults will. Raises ClientGone and TooLong."""
        self.requests[path if path in ENDPOINTS else UNKNOWN] += 1
        if request.method not in ("GET", "POST"):
            await request.json(_refused("HTTP method is not GET or POST"), 405)
            return
        try:
            params, uploads = await request.params(json_bodies=self._world.behaviour.json_bodies)
        except MalformedBody:
            await request.json(_refused("Bad request"))
            return
        outcome_of = self._faults.outcome_of(path, params)
        if outcome_of.delay:
            await self._pause(outcome_of.delay)
        fault = outcome_of.fault
        if fault is None:
            await self._reply(request, path, params, uploads)
        elif fault.kind == "disconnect_after":
            with contextlib.suppress(RateLimited, GatewayTimeout):
                await self._answer(request, path, params, uploads)
            await request.cut()
        else:
            await self._fail(request, fault)

    async def _reply(self, request: Request, path: str, params: Params, uploads: Sequence[Upload]) -> None:
        try:
            answer = await self._answer(request, path, params, uploads)
        except RateLimited as limited:
            await _refuse_rate(request, self._world.behaviour.ratelimit_status, limited.retry_after)
        except GatewayTimeout:
            await _fail_with(request, 504)
        else:
            await request.json(answer)

    async def _answer(self, request: Request, path: str, params: Params, uploads: Sequence[Upload]) -> Answer:
        try:
            result = self._call(request, path, params, uploads)
            if not isinstance(result, dict):
                result = await request.unless_gone(result)
        except Refusal as refusal:
            return _refused(refusal.description)
        return {**result, "ok": True}

    def _call(
        self, request: Request, path: str, params: Params, uploads: Sequence[Upload]
    ) -> Answer | Awaitable[Answer]:
        endpoint = ENDPOINTS.get(path)
        behaviour = self._world.behaviour
        if endpoint is None or not behaviour.knows(path):
            raise Refusal("Unknown method")
        token = next(filter(None, params.get("token", ())), None)
        if token is None:
            raise Refusal("Missing required parameter 'token'")
        bot = self._world.bots.get(token)
        if bot is None:
            raise Refusal("Invalid token")
        if not behaviour.allows(path, private=endpoint.private):
            raise Refusal("Method not allowed")
        spell(params, any_case=behaviour.enum_case == "any", comma_ids=behaviour.comma_ids)
        method = endpoint.method
        file = None
        if method.upload_part is not None:
            by_id = params.get("fileId", ()) if "file_id" in method.wire_names else None
            multipart = request.header(b"content-type").startswith("multipart/")
            file = _file(method.upload_part, uploads, by_id, multipart=multipart)
        if method.upload_part is not None or path == "files/getInfo":
            self._world.base_url = request.origin
        try:
            call = method.from_wire(params, file=file)
        except WireError as error:
            raise Refusal(str(error)) from None
        return endpoint.serve(self._world, bot, call)

    async def _fail(self, request: Request, fault: Fault) -> None:
        """Answer without any effect on the world."""
        match fault.kind:
            case "status":
                await _fail_with(request, fault.status or 502, fault.body)
            case "garbage":
                await request.answer(200, (fault.body or GARBAGE).encode(), HTML_TYPE)
            case "ratelimit":
                retry_after = 1 if fault.retry_after is None else fault.retry_after
                await _refuse_rate(request, fault.status or self._world.behaviour.ratelimit_status, retry_after)
            case "server_error":
                await request.json(_refused(f"Server error: id=0x{random.getrandbits(64):x}"))
            case "refuse":
                await request.json(_refused(fault.description or "Bad request"))
            case "hang":
                await self._hang(request, fault.seconds)
            case _:
                await request.cut()

    async def _pause(self, seconds: float) -> None:
        if seconds < 1:
            await asyncio.sleep(seconds)
        else:
            await _first(self._closing.wait(), seconds=seconds)

    async def _hang(self, request: Request, seconds: float | None) -> None:
        gone = asyncio.ensure_future(request.gone())
        await _first(gone, self._closing.wait(), seconds=seconds)
        if gone.cancelled():
            await request.cut()


async def _first(*waits: Awaitable[object], seconds: float | None) -> None:
    """Wait for the first of these, for so many seconds at most; the others are cancelled."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _fail_with(request: Request, status: int, body: str | None = None) -> None:
    await request.answer(status, (body or f"<html><h1>{status}</h1></html>").encode(), HTML_TYPE)


async def _refuse_rate(request: Request, status: int, retry_after: float) -> None:
    if status == 429:
        await request.answer(429, b"", (b"retry-after", f"{retry_after:g}".encode()))
    else:
        await request.json(_refused("Ratelimit"))


def _refused(description: str) -> Answer:
    return {"ok": False, "description": description}


def _file(name: str, uploads: Sequence[Upload], by_id: Sequence[str] | None, *, multipart: bool) -> InputFile | None:
    """The upload; None for a file that is named by its id (`by_id` is None where that cannot be). Raises Refusal."""
    upload = next((upload for upload in uploads if upload.name == name), None)
    if upload is not None:
        return InputFile(upload.content, filename=upload.filename or "file")
    if by_id is None or (multipart and not any(by_id)):
        raise Refusal("Invalid file")
    if not any(by_id):
        raise Refusal("Missing required parameter 'fileId'")
    return None
