"""Composing a broadcast: its form, which refuses what could not be sent."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from vkteams_bot.admin.broadcasts.keyboard_field import KeyboardField
from vkteams_bot.broadcasts import problems, segments
from vkteams_bot.conf import conf
from vkteams_bot.models import BotAccount, Broadcast

LONGEST_LIST_SHOWN = 200_000
"""Characters. A longer list would make the page slow, and the browser send all of it back."""

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Broadcast]
else:
    ModelForm = forms.ModelForm


class TimeZoneInput(forms.TextInput):
    """A text that is completed by the names of time zones."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        field = super().render(name, value, {**(attrs or {}), "list": "vkt-time-zones"}, renderer)
        zones = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
        options = format_html_join("", '<option value="{}">', ((zone,) for zone in ("UTC", *zones)))
        return SafeString(f'{field}<datalist id="vkt-time-zones">{options}</datalist>')


class BroadcastForm(ModelForm):
    """Of a draft. `recipients` is left out of the page when it is long: then an empty field keeps it."""

    keyboard = KeyboardField(
        label=_("Keyboard"),
        widget=forms.Textarea({"rows": 3, "spellcheck": "false", "placeholder": "Label = https://example.com"}),
        help_text=_(
            "A row per line, “|” between buttons: “Label = https://…” or “Label = callback:data”, "
            "with [primary] or [attention] before the label."
        ),
    )
    segment = forms.ChoiceField(label=_("Segment"), required=False)
    recipients_file = forms.FileField(
        label=_("List from a file"), required=False, help_text=_("UTF-8 text or CSV. It replaces the list above.")
    )

    class Meta:
        model = Broadcast
        fields = (
            "account",
            "name",
            "text",
            "parse_mode",
            "is_template",
            "keyboard",
            "file",
            "audience",
            "segment",
            "recipients",
            "exclude_unreachable",
            "starts_at",
            "expires_at",
            "quiet_from",
            "quiet_until",
            "time_zone",
            "rate_share",
        )
        widgets = {
            "text": forms.Textarea({"rows": 9}),
            "recipients": forms.Textarea({"rows": 5, "spellcheck": "false"}),
            "time_zone": TimeZoneInput,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields
        accounts = BotAccount.objects.filter(alias__in=conf.aliases).order_by("alias", "-pk")
        fields["account"].queryset = accounts
        if len(accounts) == 1:
            self.initial.setdefault("account", accounts[0].pk)
        labels = [(name, segment.label) for name, segment in segments().items()]
        fields["segment"].choices = [("", "—"), *labels]
        self._kept = self.instance.recipients if len(self.instance.recipients) > LONGEST_LIST_SHOWN else ""
        if self._kept:
            self.initial["recipients"] = ""
            count = self._kept.count("\n") + 1
            fields["recipients"].help_text = _("A list of %(count)s lines is kept unless you give another.") % {
                "count": count
            }

    def clean_text(self) -> str:
        """Browsers end lines by two signs; a message needs one."""
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")

    def clean_recipients(self) -> str:
        return self.cleaned_data["recipients"] or self._kept

    def clean_recipients_file(self) -> str:
        """Its text."""
        file = self.cleaned_data["recipients_file"]
        if not file:
            return ""
        try:
            return str(file.read().decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValidationError(_("This is not UTF-8 text.")) from error

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if listed := cleaned.get("recipients_file"):
            cleaned["recipients"] = listed
        if "\0" in cleaned.get("recipients", ""):
            self.add_error("recipients", _("There is a character that cannot be stored."))
        return cleaned

    def _post_clean(self) -> None:
        """What is wrong with the broadcast as a whole is told at its fields."""
        super()._post_clean()  # type: ignore[misc]  # where Django builds the instance
        if "file" in self.changed_data:
            self.instance.file_id = ""
        for problem in problems(self.instance):
            if problem.field in self.fields and problem.field not in self.errors:
                self.add_error(problem.field, problem.message)
