"""Everything this package raises.

VKTeamsError
├── ConfigurationError          settings, handlers or filters declared wrongly; raised at start
├── InvalidCall                 a call that cannot be made (both text forms, no file, …); nothing was sent
├── InvalidCallbackData         data of a button that is foreign, outdated or made up
├── BroadcastError              a broadcast cannot do what was asked of it now; nothing changed
├── RoutingError                a handler returned or asked for something it may not
├── HandlerTimeout              a handler ran for longer than it may
├── DownloadFailed              a file could not be fetched; nothing of it was kept
│   └── FileTooLarge
└── CallError                   a request to the Bot API that did not succeed; carries `method` and `outcome`
    ├── NotSent                 it never left: safe to repeat
    │   └── TLSError            the server's certificate is not trusted
    ├── Refused                 the server said no: known, nothing was done
    │   ├── InvalidToken
    │   ├── UnknownMethod       this installation is too old for the method
    │   ├── MethodNotAllowed    the administrator has not allowed the method to this bot
    │   ├── PermissionDenied
    │   ├── NotFound            no such chat, message, file or user
    │   ├── FormatError         the text does not parse in its parse mode
    │   ├── BadRequest          any other refusal
    │   └── RateLimited         repeat after `retry_after` seconds
    └── OutcomeUnknown          it left and was not answered properly: done or not, nobody knows
"""

from __future__ import annotations

import enum
from typing import Protocol

__all__ = [
    "BadRequest",
    "BroadcastError",
    "CallError",
    "ConfigurationError",
    "DownloadFailed",
    "FileTooLarge",
    "FormatError",
    "HandlerTimeout",
    "InvalidCall",
    "InvalidCallbackData",
    "InvalidToken",
    "MethodNotAllowed",
    "NotFound",
    "NotSent",
    "Outcome",
    "OutcomeUnknown",
    "PermissionDenied",
    "RateLimited",
    "Refused",
    "RoutingError",
    "TLSError",
    "UnknownMethod",
    "VKTeamsError",
]


class Outcome(enum.StrEnum):
    """What became of a request that did not succeed."""

    NEVER_LEFT = "never_left"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class SentMethod(Protocol):
    """What an error says of the method that failed."""

    @property
    def path(self) -> str: ...


class VKTeamsError(Exception):
    """Base of every error of this package."""


class ConfigurationError(VKTeamsError):
    """A setting, handler, filter or middleware is declared wrongly."""


class InvalidCall(VKTeamsError, ValueError):
    """The call cannot be made as written; nothing was sent."""


class InvalidCallbackData(VKTeamsError, ValueError):
    """A button carries data of another factory, of an outdated version, or what no factory packed."""


class BroadcastError(VKTeamsError):
    """A broadcast cannot do what was asked of it, as it is now; nothing changed."""


class RoutingError(VKTeamsError, TypeError):
    """A handler returned something that is not a reply."""


class HandlerTimeout(VKTeamsError):
    """A handler ran for longer than HANDLER_TIMEOUT, or than its flag `timeout`, and was given up."""


class DownloadFailed(VKTeamsError):
    """A file could not be fetched: refused, cut off, stalled, or not to be written. Nothing of it was kept."""


class FileTooLarge(DownloadFailed):
    """The file has more bytes than `max_size` allows."""


class CallError(VKTeamsError):
    """A request that did not succeed. `method` is the value that was sent; no token is ever part of it.

    `hint` says what may be done about it; it is part of the text, but not of `message`.
    """

    outcome: Outcome
    hint = ""

    def __init__(self, message: str, *, method: SentMethod | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.method = method
        if hint is not None:
            self.hint = hint

    def __str__(self) -> str:
        text = f"{self.method.path}: {self.message}" if self.method is not None else self.message
        return f"{text}. {self.hint}" if self.hint else text


class NotSent(CallError):
    """The request never left this process: no connection, no proxy, no free slot in time."""

    outcome = Outcome.NEVER_LEFT
    hint = "Is API_URL right, and can this machine reach it?"


class TLSError(NotSent):
    """The server's certificate was not accepted; `hint` names the remedy."""


class Refused(CallError):
    """The server refused. `description` is its own text."""

    outcome = Outcome.REFUSED

    @property
    def description(self) -> str:
        return self.message


class InvalidToken(Refused):
    """The token is wrong, revoked, or of another installation."""

    hint = "Is TOKEN what Metabot gave, and of the installation that API_URL names?"


class UnknownMethod(Refused):
    """The installation does not know the method: its server is too old."""

    hint = "The installation's server is too old for this method"


class MethodNotAllowed(Refused):
    """The installation's administrator has not allowed this method to the bot."""

    hint = "The installation's administrator can allow this method to the bot"


class PermissionDenied(Refused):
    """The bot may not do this in this chat."""

    hint = "Is the bot a member of the chat, and an admin where it has to be one?"


class NotFound(Refused):
    """The chat, message, file or user does not exist for this bot."""

    hint = "Is the id right? A bot reaches the groups that it is in and the people who have opened a dialog with it"


class FormatError(Refused):
    """The text is not valid in its parse mode."""

    hint = (
        'Give nodes such as Bold("…") instead of markup, escape with html.escape or md.escape, or pass parse_mode=None'
    )


class BadRequest(Refused):
    """Any other refusal."""


class RateLimited(Refused):
    """Too many requests. `retry_after` is in seconds, None when the server did not say."""

    def __init__(
        self,
        message: str,
        *,
        method: SentMethod | None = None,
        hint: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, method=method, hint=hint)
        self.retry_after = retry_after


class OutcomeUnknown(CallError):
    """The request left and no proper answer came: it may or may not have been done."""

    outcome = Outcome.UNKNOWN
    hint = "It may have been done: look before you do it again"
