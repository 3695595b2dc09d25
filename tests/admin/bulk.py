"""Many rows by set-based SQL, arranged so that a careless plan has to read all of them.

All that is rare is old: the statuses that need somebody, the second bot, the quiet chat.
"""

from __future__ import annotations

from django.db import connection
from django.utils import timezone

from vkteams_bot.models import BotAccount, Chat, ChatMessage, Contact, Conversation, OutgoingCall, Update

CHATS = 500
RARE = 300
"""So many of the oldest rows are not ordinary."""

STATUSES = ("failed", "invalid", "unhandled", "skipped", "pending", "running", "alone", "retry")
CALL_STATUSES = ("failed", "unknown", "queued", "sending", "dropped")


def fill(count: int) -> None:
    """`count` updates, calls and messages, half as many conversations."""
    now = timezone.now()
    first, _second = (BotAccount.objects.create(alias=name, user_id=name) for name in ("first", "second"))
    Contact.objects.bulk_create(
        Contact(user_id=f"user{number}@corp.example", first_name=f"Person {number}", created_at=now)
        for number in range(CHATS)
    )
    Chat.objects.bulk_create(
        Chat(account=first, chat_id=f"user{number}@corp.example", type="private", created_at=now)
        for number in range(CHATS)
    )
    Contact.objects.create(user_id="quiet@corp.example", first_name="Quiet", created_at=now)
    Chat.objects.create(account=first, chat_id="quiet@chat.agent", type="group", title="Quiet", created_at=now)
    with connection.cursor() as cursor:
        for statement in _statements(count):
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute("ANALYZE")


def empty() -> None:
    with connection.cursor() as cursor:
        for model in (OutgoingCall, Update, ChatMessage, Conversation, Chat, Contact, BotAccount):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")


def _statements(count: int) -> list[str]:
    postgres = connection.vendor == "postgresql"
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    # Half a year, evenly; the newest row is of now.
    seconds = f"(({count} - i) * 15552000.0 / {count})"
    if postgres:
        moment = f"(now() - {seconds} * interval '1 second')"
        uuid = "lpad(to_hex(i), 32, '0')::uuid"
        json = "jsonb"
    else:
        moment = f"strftime('%Y-%m-%d %H:%M:%f', julianday('now') - {seconds} / 86400.0)"
        uuid = "printf('%032x', i)"
        json = "text"
    account = "(SELECT min(id) FROM vkteams_bot_botaccount)"
    second = "(SELECT max(id) FROM vkteams_bot_botaccount)"
    first_key = "(SELECT min(id) FROM vkteams_bot_{table})"
    rare = f"i <= {RARE}"
    user = f"'user' || (i % {CHATS}) || '@corp.example'"
    chat = f"CASE WHEN {rare} THEN 'quiet@chat.agent' ELSE {user} END"
    person = f"CASE WHEN {rare} THEN 'quiet@corp.example' ELSE {user} END"
    which_account = f"CASE WHEN {rare} AND i % 2 = 0 THEN {second} ELSE {account} END"
    status = _cases("i", STATUSES)
    call_status = _cases("i", CALL_STATUSES)
    chat_key = first_key.format(table="chat") + f" + CASE WHEN {rare} THEN {CHATS} ELSE i % {CHATS} END"
    contact_key = first_key.format(table="contact") + f" + CASE WHEN {rare} THEN {CHATS} ELSE i % {CHATS} END"
    words = "'сообщение номер ' || i || ' about an order' || CASE WHEN i = 7 THEN ' иголка' ELSE '' END"
    payload = f'CAST(\'{{"payload": {{"text": "text \' || i || \'"}}}}\' AS {json})'
    first_update = "(SELECT min(id) FROM vkteams_bot_update)"
    direction = "CASE WHEN i % 2 = 0 THEN 'in' ELSE 'out' END"
    answer = f'CAST(\'{{"chatId": "a@b", "text": "an answer"}}\' AS {json})'
    return [
        "INSERT INTO vkteams_bot_update (account_id, event_id, epoch, type, chat_id, user_id, payload, status, "
        "attempts, alone_runs, crashed_in, handler, error, created_at, done_at) "
        f"{numbers} SELECT {which_account}, i, 0, 'newMessage', {chat}, {person}, "
        f"{payload}, {status}, 0, 0, '', '', CASE WHEN {rare} THEN 'KeyError' ELSE '' END, {moment}, {moment} FROM n",
        "INSERT INTO vkteams_bot_outgoingcall (id, account_id, update_id, origin, priority, claimed_by, attempts, "
        f"method, chat_id, params, status, error, msg_id, created_at) {numbers} SELECT {uuid}, {which_account}, "
        f"{first_update} + i - 1, 'reply', 0, '', 0, 'messages/sendText', "
        f"{chat}, {answer}, {call_status}, '', '', {moment} FROM n",
        "INSERT INTO vkteams_bot_chatmessage (chat_id, msg_id, direction, contact_id, text, sent_at, deleted_at) "
        f"{numbers} SELECT {chat_key}, CAST(i AS varchar(64)), {direction}, {contact_key}, "
        f"{words}, {moment}, CASE WHEN {rare} AND i % 10 = 0 THEN {moment} END FROM n",
        "INSERT INTO vkteams_bot_conversation (account_id, chat_id, user_id, state, data, version, expires_at, "
        f"updated_at) {numbers} SELECT {which_account}, 'c' || i, "
        f"CASE WHEN {rare} THEN 'quiet@corp.example' ELSE 'c' || i END, CASE WHEN {rare} THEN 'Form:rare' END, "
        f"CAST('{{}}' AS {json}), 1, CASE WHEN {rare} THEN {moment} END, {moment} FROM n WHERE i <= {count // 2}",
    ]


def _cases(number: str, values: tuple[str, ...]) -> str:
    last = "done" if values is STATUSES else "sent"
    cases = " ".join(f"WHEN {number} % {len(values)} = {place} THEN '{value}'" for place, value in enumerate(values))
    return f"CASE WHEN {number} > {RARE} THEN '{last}' ELSE CASE {cases} END END"
