"""State and StatesGroup."""

import pytest

from vkteams_bot.fsm import State, StatesGroup, any_state, default_state


class Form(StatesGroup):
    name = State()
    age = State("years")

    class Address(StatesGroup):
        city = State()

        class Street(StatesGroup):
            house = State()


class Other(StatesGroup):
    name = State()


def test_names_are_those_of_aiogram():
    assert Form.name.state == "Form:name"
    assert Form.age.state == "Form:years"
    assert Form.Address.city.state == "Form.Address:city"
    assert Form.Address.Street.house.state == "Form.Address.Street:house"
    assert State("alone").state == "@:alone"
    assert State("x", group_name="Named").state == "Named:x"
    assert default_state.state is None
    assert any_state.state == "*"


def test_a_group_lists_its_states_and_those_of_groups_inside():
    assert list(Form) == [Form.name, Form.age, Form.Address.city, Form.Address.Street.house]
    assert list(Form.Address) == [Form.Address.city, Form.Address.Street.house]


def test_membership():
    assert Form.name in Form
    assert "Form:name" in Form
    assert Form.Address in Form
    assert Form.Address.Street in Form
    assert Form.Address.Street.house in Form
    assert Other.name not in Form
    assert "Other:name" not in Form
    assert Other not in Form
    assert Form.name not in Form.Address
    assert 5 not in Form


def test_states_compare_with_states_and_strings():
    assert Form.name == "Form:name"
    assert "Form:name" in [Form.name]
    assert Form.name == State("name", group_name="Form")
    assert Form.name != Other.name
    assert Form.name != 5
    assert len({Form.name, State("name", group_name="Form")}) == 1


def test_the_way_up():
    assert Form.Address.Street.get_root() is Form
    assert Form.get_root() is Form
    assert Form.name.group is Form
    with pytest.raises(RuntimeError, match="not in any group"):
        _ = State("alone").group


def test_a_state_outside_of_a_group_class_is_refused():
    with pytest.raises((TypeError, RuntimeError)) as caught:

        class NotAGroup:
            name = State()

    assert "StatesGroup" in f"{caught.value} {caught.value.__cause__}"


def test_texts_for_logs():
    assert repr(Form.name) == "<State 'Form:name'>"
    assert str(Form) == "<StatesGroup 'Form'>"
