"""Refusal: what was asked for is not done; also the two that HTTP itself may tell."""


class Refusal(Exception):
    """Nothing was done. `description` is what the Bot API would answer, or what the control API tells."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class RateLimited(Exception):
    """Nothing was done: too much was sent. After `retry_after` seconds it may be tried again."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        self.retry_after = retry_after


class GatewayTimeout(Exception):
    """A proxy in front of the server waited no longer."""
