"""What a delivery by a worker costs, with so many rows that wait, so many that were sent, and as long a chat log.

bench_queue.py queue <rows> <seconds>
"""

import sys
import time

import django
from measuring import report

FILL = (
    """INSERT INTO vkteams_bot_chat (id, account_id, chat_id, type, title, created_at, unreachable_reason)
    SELECT n, %(account)s, 'c' || n, 'private', '', now(), '' FROM generate_series(1, %(rows)s) AS n""",
    """INSERT INTO vkteams_bot_chatmessage (chat_id, msg_id, direction, text, sent_at)
    SELECT n, 'old' || n, 'out', 'Hello', now() FROM generate_series(1, %(rows)s) AS n""",
    """INSERT INTO vkteams_bot_outgoingcall
    (id, account_id, method, chat_id, params, status, origin, claimed_by, priority, attempts, error, msg_id,
    created_at)
    SELECT lpad(to_hex(n), 32, '0')::uuid, %(account)s, 'messages/sendText', 'c' || (1 + n %% %(rows)s),
    '{"chatId": "c1", "text": "Hello"}', CASE WHEN n <= %(rows)s THEN 'sent' ELSE 'queued' END,
    'delayed', '', 1, 0, '', '', now() FROM generate_series(1, 2 * %(rows)s) AS n""",
)


def main(_: str, rows: str, seconds: str) -> None:
    django.setup()
    from django.db import connection

    from vkteams_bot import notify, worker
    from vkteams_bot.models import BotAccount, OutgoingCall

    account = BotAccount.objects.create(alias="default", user_id="1000000001")
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, {"account": account.pk, "rows": int(rows)})
        cursor.execute("ANALYZE")
    statements = 0

    def count(execute, sql, params, many, context):
        nonlocal statements
        statements += 1
        return execute(sql, params, many, context)

    with notify.suppressed():
        worker.deliver(account.pk, bulk=True, seconds=0.5)
        before = OutgoingCall.objects.waiting().count()
        begin, cpu = time.perf_counter(), time.process_time()
        with connection.execute_wrapper(count):
            worker.deliver(account.pk, bulk=True, seconds=float(seconds))
        passed, cpu = time.perf_counter() - begin, time.process_time() - cpu
    sent = before - OutgoingCall.objects.waiting().count()
    report({"cpu_us": cpu / sent * 1e6, "statements": statements / sent, "per_second": sent / passed})


if __name__ == "__main__":
    main(*sys.argv[1:])
