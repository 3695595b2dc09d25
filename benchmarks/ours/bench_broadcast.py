"""Starts a broadcast and waits until the workers have sent it: bench_broadcast.py <recipients>."""

import sys
import time

import django
from measuring import report


def main(recipients: str) -> None:
    django.setup()
    import worker  # noqa: F401  (its broker is told)

    from vkteams_bot import bot, broadcasts
    from vkteams_bot.models import BotAccount, Broadcast

    account = BotAccount.objects.create(alias="default", user_id=bot.user_id)
    everybody = "\n".join(f"user{number}@example.com" for number in range(int(recipients)))
    broadcast = Broadcast.objects.create(
        account=account, name="bench", text="hello", audience=Broadcast.Audience.LIST, recipients=everybody
    )
    begin = time.perf_counter()
    broadcasts.start(broadcast)
    while broadcast.status != Broadcast.Status.FINISHED:
        time.sleep(0.02)
        broadcast.refresh_from_db(fields=("status", "counts"))
    seconds = time.perf_counter() - begin
    assert broadcast.counts == {"sent": int(recipients)}, broadcast.counts
    report({"seconds": seconds})


if __name__ == "__main__":
    main(*sys.argv[1:])
