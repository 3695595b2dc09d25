"""Broadcasts: one message to many, written as one outbox row per recipient and delivered by the queue."""

from vkteams_bot.broadcasts.audiences import audience, segments
from vkteams_bot.broadcasts.dry_runs import DryRun, Sample, dry_run, send_test
from vkteams_bot.broadcasts.export import export_csv
from vkteams_bot.broadcasts.lifecycle import cancel, pause, resume, retry, start
from vkteams_bot.broadcasts.progress import Meter, Progress
from vkteams_bot.broadcasts.validation import Problem, problems

__all__ = [
    "DryRun",
    "Meter",
    "Problem",
    "Progress",
    "Sample",
    "audience",
    "cancel",
    "dry_run",
    "export_csv",
    "pause",
    "problems",
    "resume",
    "retry",
    "segments",
    "send_test",
    "start",
]
