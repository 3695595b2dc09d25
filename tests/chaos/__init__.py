"""The kill suite: `python -m tests.chaos`, from public commands only. What it shows stands in docs/guarantees.md."""
