"""What the project brings: its database, its handlers, its settings."""

from __future__ import annotations

import logging
import traceback

from django.core.checks import ERROR, run_checks
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from vkteams_bot.api.redaction import redact
from vkteams_bot.discovery import build_dispatcher, discover_routers
from vkteams_bot.doctor.findings import Finding, fail, ok, skipped, warn
from vkteams_bot.models import BotAccount
from vkteams_bot.stores import inbox
from vkteams_bot.stores.conditions import report_of
from vkteams_bot.stores.connection_defaults import connection_options, set_connection_defaults
from vkteams_bot.worker.duty import duty_of

logger = logging.getLogger("vkteams_bot.doctor")

APP = "vkteams_bot"


def database() -> Finding:
    """Whether the database answers, and how connections of `runbot` notice that the network went silent."""
    set_connection_defaults()
    try:
        connection.ensure_connection()
    except (Error, ImproperlyConfigured) as error:
        return _unusable(error)
    options = ", ".join(f"{name}={value}" for name, value in connection_options().items())
    return ok(f"{connection.vendor} ({options})" if options else connection.vendor)


def migrations() -> Finding:
    """Whether the app's tables are those of this version."""
    try:
        executor = MigrationExecutor(connection)
        targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == APP]
        plan = executor.migration_plan(targets)
    except Error as error:
        return _unusable(error)
    missing = [f"{migration.app_label}.{migration.name}" for migration, _backwards in plan]
    if missing:
        return fail(_("not applied: %(names)s") % {"names": ", ".join(missing)}, _("Run manage.py migrate."))
    return ok(_("all are applied"))


def polling(alias: str) -> Finding:
    """Whether a process polls for this bot, and what it says of itself; how long updates have been waiting."""
    account = BotAccount.objects.filter(alias=alias).order_by(F("polled_at").desc(nulls_last=True), "-pk").first()
    if account is None:
        return skipped(_("the bot has not run yet"))
    count, oldest = inbox.backlog(account.pk)
    waiting = ""
    if oldest is not None:
        waiting = _("%(count)d updates wait, the oldest for %(seconds)d s") % {
            "count": count,
            "seconds": (timezone.now() - oldest).total_seconds(),
        }
    if not account.is_polled:
        if waiting:
            return warn(_("no process polls; %(waiting)s") % {"waiting": waiting}, _("Start runbot."))
        return ok(_("no process polls, and nothing waits"))
    report = report_of(account)
    if not report.conditions:
        return ok("; ".join(filter(None, [_("polled by %(owner)s") % {"owner": account.lease_owner}, waiting])))
    told = [f"{condition.key}: {condition}" for condition in report.conditions]
    return warn("; ".join(filter(None, [*told, waiting])), _("docs/conditions.md says what each means and what helps."))


def delivery(alias: str) -> Finding:
    """Who sends delayed calls and broadcasts of this bot, and whether something waits that nobody sends."""
    accounts = BotAccount.objects.filter(alias=alias).order_by("pk")
    known = [duty_of(account, timezone.now()) for account in accounts]
    neglected = [duty for duty in known if duty.is_neglected]
    if neglected:
        return warn(
            " ".join(f"{duty.account}: {duty}" for duty in neglected),
            _("Start runbot or a Celery worker with beat; what no bot may send can be moved or dropped in the admin."),
        )
    current = next((duty for duty in reversed(known) if duty.has_bot), None)
    return ok(str(current)) if current is not None else skipped(_("the bot has not run yet"))


def handlers() -> Finding:
    """Whether the handlers of all apps can be imported and make sense."""
    try:
        routers = discover_routers()
        build_dispatcher()
    except Exception as error:  # the project's own modules may raise anything
        # Not exc_info: what they raise may hold the token.
        logger.error("handlers cannot be loaded\n%s", redact(traceback.format_exc()), extra={"check": "handlers"})
        reason = redact(f"{type(error).__name__}: {error}")
        return fail(
            _("handlers cannot be loaded: %(reason)s") % {"reason": reason}, _("Mend the module that is named.")
        )
    count = sum(
        len(observer.handlers) for root in routers for router in root.walk() for observer in router.observers.values()
    )
    return ok(_("handlers: %(count)d") % {"count": count})


def system_checks() -> Finding:
    """Whether `manage.py check` has something to say about this app."""
    messages = [message for message in run_checks(tags=[APP]) if not message.is_silenced()]
    text = "; ".join(f"{message.id}: {message.msg}" for message in messages)
    remedy = " ".join(dict.fromkeys(message.hint for message in messages if message.hint))
    if any(message.level >= ERROR for message in messages):
        return fail(redact(text), remedy or _("See manage.py check."))
    if messages:
        return warn(redact(text), remedy)
    return ok(_("nothing to complain of"))


def _unusable(error: Exception) -> Finding:
    reason = redact(str(error).strip().partition("\n")[0])
    return fail(
        _("the database does not answer: %(reason)s") % {"reason": reason},
        _("Check DATABASES, and that the server runs."),
    )
