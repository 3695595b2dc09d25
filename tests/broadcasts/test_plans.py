"""What broadcasts ask finds its rows by an index, beside a broadcast of ten thousand."""

from __future__ import annotations

import pytest
from django.utils import timezone

from tests.broadcasts.conftest import Mailing, mark
from tests.stores.plans import ROWS, analyze, check
from tests.stores.test_plans import full as full  # a fixture
from vkteams_bot import broadcasts, notify
from vkteams_bot.broadcasts import sending
from vkteams_bot.broadcasts.expansion import prepare
from vkteams_bot.broadcasts.lifecycle import advance
from vkteams_bot.models import BotAccount, Broadcast, Chat

pytestmark = [pytest.mark.orm, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _no_broker():
    with notify.suppressed():
        yield


@pytest.mark.usefixtures("full")
def test_every_query_of_a_broadcast_uses_an_index(django_user_model):
    mailing = Mailing(BotAccount.objects.get(), django_user_model.objects.create_user("operator"))
    large = mailing.prepared(*(f"c{number}" for number in range(ROWS)))
    large.calls.update(status="sent")
    Broadcast.objects.filter(pk=large.pk).update(status="finished", counts={"sent": ROWS})
    Chat.objects.filter(chat_id__in=[f"c{number}" for number in range(0, 200, 10)]).update(
        type="private", unreachable_at=timezone.now()
    )
    analyze()
    people = "\n".join(f"u{number}" for number in range(40))
    broadcast = mailing.broadcast(
        audience="list", recipients=people, text="{{ contact.first_name }}{{ chat_id }}", is_template=True
    )
    broadcasts.start(broadcast)
    check(lambda: prepare(broadcast.pk, chunk_size=20), least=10)

    rows = [sending.Recipient(row.pk, broadcast.pk, row.chat_id, row.params) for row in broadcast.calls.all()]
    check(lambda: sending.sendable(mailing.account.pk, timezone.now()), least=1)
    check(lambda: sending.methods_for(rows), least=2)
    check(lambda: broadcasts.Progress.of(broadcast.pk), least=2)
    check(lambda: advance(None, timezone.now()), least=1)
    mark(broadcast, "failed", ["u1", "u2"])
    check(lambda: broadcasts.retry(broadcast), least=5)
    check(lambda: list(broadcasts.export_csv(broadcast)), least=3)
    check(lambda: broadcasts.cancel(broadcast), least=3)
    check(lambda: advance(None, timezone.now()), least=3)
    check(lambda: advance(None, timezone.now()), least=3)
    broadcast.refresh_from_db()
    assert broadcast.counts == {"dropped": 40}
