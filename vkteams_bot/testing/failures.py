"""What fails a test by itself."""


class NotSettled(AssertionError):
    """After an hour of its time the bot is still at work."""


class HandlerFailed(AssertionError):
    """A handler raised (the exception is the cause), or what it left could not be stored."""


class CallRefused(AssertionError):
    """The server refused what the bot sent, so nobody saw it."""
