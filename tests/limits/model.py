"""What a rate limit promises, and a clock to try it with."""


class Clock:
    def __init__(self, now=0.0):
        self.now = now

    def __call__(self):
        return self.now


def fits(starts, rate, burst):
    """True if every window of t seconds holds at most rate * t + burst starts."""
    starts = sorted(starts)
    return all(
        last - first + 1 <= rate * (starts[last] - starts[first]) + burst + 1e-6
        for first in range(len(starts))
        for last in range(first, len(starts))
    )
