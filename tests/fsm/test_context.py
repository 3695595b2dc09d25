"""FSMContext: plain and awaited, isolated, reversible."""

import asyncio
import copy
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vkteams_bot.fsm import FSMContext, State, StateKey, StateRecord, StatesGroup

KEY = StateKey("default", "c", "u")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
datas = st.dictionaries(st.text(max_size=3), json_values, max_size=4)
states = st.none() | st.sampled_from(["Form:a", "Form:b"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set_state"), states),
        st.tuples(st.just("set_data"), datas),
        st.tuples(st.just("update_data"), datas),
        st.just(("clear",)),
    ),
    max_size=5,
)


class Form(StatesGroup):
    a = State()


def context(state=None, data=None, **more):
    return FSMContext(KEY, StateRecord(state, data or {}, **more))


def spoil(value):
    """Change everything in a structure that can be changed."""
    if isinstance(value, dict):
        for item in value.values():
            spoil(item)
        value["spoilt"] = True
    elif isinstance(value, list):
        for item in value:
            spoil(item)
        value.append("spoilt")


def test_plain_calls():
    state = FSMContext(KEY)
    assert state.get_state() == ""
    assert state.state is None
    state.set_state(Form.a)
    assert state.get_state() == "Form:a"
    assert state.get_state() == Form.a
    assert state.state == "Form:a"
    assert state.update_data(x=1) == {"x": 1}
    state.update_data({"y": 2}, z=3)
    assert state.get_data() == {"x": 1, "y": 2, "z": 3}
    assert state.get_value("y") == 2
    assert state.get_value("no") is None
    assert state.get_value("no", 7) == 7
    state.set_data({"q": 1})
    assert state.data == {"q": 1}
    state.clear()
    assert (state.state, state.data) == (None, {})


def test_awaited_calls():
    async def main():
        state = FSMContext(KEY)
        assert await state.get_state() is None
        await state.set_state(Form.a)
        name = await state.get_state()
        assert (name, type(name)) == ("Form:a", str)
        updated = await state.update_data(x=[1])
        assert (updated, type(updated)) == ({"x": [1]}, dict)
        await state.set_data({"q": 1})
        data = await state.get_data()
        assert (data, type(data)) == ({"q": 1}, dict)
        await state.set_state()
        assert state.state is None
        await state.clear()
        assert await state.get_data() == {}

    asyncio.run(main())


@pytest.mark.parametrize("wrong", [Form, 5, "*", State("*")])
def test_what_is_no_state_cannot_be_set(wrong):
    state = context("Form:a")
    with pytest.raises(TypeError):
        state.set_state(wrong)
    assert state.state == "Form:a"


def test_the_record_to_save_keeps_version_and_expiry():
    when = datetime(2030, 1, 1, tzinfo=UTC)
    state = context("Form:a", {"x": 1}, version=4, expires_at=when)
    state.update_data(x=2)
    assert state.record() == StateRecord("Form:a", {"x": 2}, 4, when)


def test_a_saved_record_does_not_change_afterwards():
    state = context()
    state.update_data(cart=[1])
    saved = state.record()
    state.update_data(cart=[2])
    state.clear()
    assert saved.data == {"cart": [1]}


def test_changed_sees_types():
    for before, after in [(1, True), (1, 1.0), ([1], [True]), ({"a": 0}, {"a": False}), ("1", 1)]:
        state = context(data={"x": before})
        state.update_data(x=after)
        assert state.changed, (before, after)
        state.update_data(x=before)
        assert not state.changed


def test_changed_follows_the_state():
    state = context("Form:a")
    assert not state.changed
    state.set_state(None)
    assert state.changed
    state.set_state(Form.a)
    assert not state.changed


@given(states, datas, steps)
def test_rollback_leaves_it_as_loaded(name, data, changes):
    loaded = copy.deepcopy(data)
    state = context(name, data, version=3)
    for method, *arguments in changes:
        getattr(state, method)(*arguments)
        spoil(state.data)
    state.rollback()
    assert not state.changed
    assert state.record() == StateRecord(name, loaded, 3)
    assert data == loaded


@given(datas)
def test_data_is_copied_on_its_way_out(data):
    kept = copy.deepcopy(data)
    state = context(data=data)
    spoil(state.get_data())
    spoil(state.data)
    spoil(asyncio.run(_awaited(state)))
    spoil(state.update_data())
    for name in kept:
        spoil(state.get_value(name))
    assert state.data == kept
    assert not state.changed


async def _awaited(state):
    return await state.get_data()


@given(datas)
def test_data_is_copied_on_its_way_in(data):
    kept = copy.deepcopy(data)
    one, other = context(), context()
    one.set_data(data)
    other.update_data(data)
    spoil(data)
    assert one.data == other.data == kept


@given(states, datas, steps)
def test_changed_says_whether_the_record_differs(name, data, changes):
    state = context(name, data)
    for method, *arguments in changes:
        getattr(state, method)(*arguments)
    record = state.record()
    if (record.state, record.data) != (name, data):
        assert state.changed
    if not state.changed:
        assert (record.state, record.data) == (name, data)


def test_values_that_are_no_json_are_kept_for_the_storage_to_judge():
    state = context()
    thing = {1, 2}
    state.update_data(x=thing)
    thing.add(3)
    assert state.get_value("x") == {1, 2}
