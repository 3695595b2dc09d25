"""An example of a project that uses vkteams_bot."""

from example_project.celery import app as celery_app

__all__ = ["celery_app"]
