from datetime import timedelta

import pytest
from django.core.cache import caches
from django.utils import timezone
from django.utils.module_loading import import_string

from tests.stores.factories import account
from vkteams_bot.fsm import StateKey, StateRecord, Storage
from vkteams_bot.models import Conversation

pytestmark = [pytest.mark.orm, pytest.mark.django_db]

KEY = StateKey("default", "chat@chat.agent", "a@example.com")
OTHER = StateKey("default", "chat@chat.agent", "b@example.com")
FULL = StateRecord("asked", {"text": "да", "list": [1, 2.5, None, {"deep": True}]})


@pytest.fixture(params=["OrmStorage", "CacheStorage", "MemoryStorage"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """As the runtime makes it of FSM_STORAGE."""
    caches["default"].clear()
    found: Storage = import_string(f"vkteams_bot.fsm.storages.{request.param}")(
        account_id=account().pk, alias="default"
    )
    return found


class TestStorage:
    def test_what_was_saved_comes_back(self, storage: Storage):
        storage.save({KEY: FULL, OTHER: StateRecord(None, {"n": 1})})

        found = storage.load([KEY, OTHER])

        assert found == {
            KEY: StateRecord("asked", dict(FULL.data), version=1),
            OTHER: StateRecord(None, {"n": 1}, version=1),
        }

    def test_what_was_never_saved_is_absent(self, storage: Storage):
        storage.save({KEY: FULL})

        assert storage.load([OTHER]) == {}
        assert storage.load([]) == {}

    def test_saving_nothing_is_allowed(self, storage: Storage):
        storage.save({})

    def test_a_second_save_replaces(self, storage: Storage):
        storage.save({KEY: FULL})
        storage.save({KEY: StateRecord("told", {"x": 1}, version=1)})

        assert storage.load([KEY]) == {KEY: StateRecord("told", {"x": 1}, version=2)}

    def test_one_that_moved_on_meanwhile_is_left_alone(self, storage: Storage):
        storage.save({KEY: FULL})
        storage.save({KEY: StateRecord("operator", {"x": 1}, version=1)})

        storage.save({KEY: StateRecord("late handler", {}, version=1), OTHER: FULL})

        assert storage.load([KEY])[KEY] == StateRecord("operator", {"x": 1}, version=2)
        assert storage.load([OTHER])[OTHER].state == "asked", "the others of the group are saved"

    def test_what_has_expired_is_empty(self, storage: Storage):
        now = timezone.now()
        past, future = now - timedelta(seconds=1), now + timedelta(minutes=1)
        storage.save(
            {KEY: StateRecord("asked", {"x": 1}, expires_at=past), OTHER: StateRecord("asked", {}, expires_at=future)}
        )

        found = storage.load([KEY, OTHER])

        expired = found.get(KEY, StateRecord())
        assert (expired.state, dict(expired.data), expired.expires_at) == (None, {}, None)
        assert found[OTHER].expires_at == future
        # And what comes after it is saved.
        storage.save({KEY: StateRecord("again", {}, version=expired.version)})
        assert storage.load([KEY])[KEY].state == "again"

    def test_an_emptied_conversation_can_be_filled_again(self, storage: Storage):
        storage.save({KEY: FULL})
        storage.save({KEY: StateRecord(None, {}, version=1)})
        emptied = storage.load([KEY]).get(KEY, StateRecord())
        assert (emptied.state, dict(emptied.data)) == (None, {})

        # The lane goes on counting in memory, or loads what is stored now.
        for version in {emptied.version, 2}:
            storage.save({KEY: StateRecord("asked", {"v": version}, version=version)})
            assert storage.load([KEY])[KEY].data == {"v": version}
            storage.save({KEY: StateRecord(None, {}, version=version + 1)})
            break

    @pytest.mark.parametrize("odd", ["nul\x00", "я" * 200, "a:b/c d%", "\ud800"])
    def test_odd_ids(self, storage: Storage, odd: str):
        strange = StateKey("default", odd, odd)
        storage.save({strange: FULL, KEY: StateRecord("other")})

        found = storage.load([strange, KEY])

        assert found[strange].state == "asked"
        assert found[KEY].state == "other"
        storage.save({strange: StateRecord("next", {}, version=1)})
        assert storage.load([strange])[strange].state == "next"


def test_accounts_do_not_share_state():
    for name in ("OrmStorage", "CacheStorage"):
        make = import_string(f"vkteams_bot.fsm.storages.{name}")
        one, two = (make(account_id=account(alias).pk, alias="default") for alias in ("one", "two"))
        one.save({KEY: FULL})
        assert two.load([KEY]) == {}, name


def test_an_edit_in_the_admin_wins_over_a_handler():
    storage = import_string("vkteams_bot.fsm.storages.OrmStorage")(account_id=account().pk, alias="default")
    storage.save({KEY: FULL})
    loaded = storage.load([KEY])[KEY]
    row = Conversation.objects.get()
    row.state = "by hand"
    row.save()

    storage.save({KEY: StateRecord("by handler", {}, version=loaded.version)})

    assert Conversation.objects.get().state == "by hand"
    assert Conversation.objects.reset() == 1
    storage.save({KEY: StateRecord("by handler", {}, version=loaded.version + 1)})
    assert Conversation.objects.get().state is None


def test_conversations_cost_one_statement_each_way(django_assert_num_queries):
    storage = import_string("vkteams_bot.fsm.storages.OrmStorage")(account_id=account().pk, alias="default")
    records = {StateKey("default", f"c{n}", f"u{n}"): FULL for n in range(100)}

    with django_assert_num_queries(1):
        storage.save(records)
    with django_assert_num_queries(1):
        assert len(storage.load(records)) == 100
