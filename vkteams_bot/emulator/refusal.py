"""Refusal: what was asked for is not done."""


class Refusal(Exception):
    """Nothing was done. `description` is what the Bot API would answer, or what the control API tells."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description
