from django.apps import AppConfig


class TalkConfig(AppConfig):
    name = "example_project.talk"
