"""The client's values: frozen, compared by what they hold, and made of exactly their fields."""

from dataclasses import FrozenInstanceError, replace

import pytest

from orchestrator.client.doctor.values import Note, Problem
from orchestrator.client.values import Reason

FIELDS = {"code": "paused", "text": "it is paused", "brief": "paused"}


def test_a_value_can_not_be_changed_but_be_replaced():
    reason = Reason(**FIELDS)
    for change in (
        lambda: setattr(reason, "code", "x"),
        lambda: setattr(reason, "more", 1),
        lambda: delattr(reason, "code"),
    ):
        with pytest.raises(FrozenInstanceError):
            change()
    assert replace(reason, code="x") == Reason(**{**FIELDS, "code": "x"}) != reason
    assert (reason.code, reason.command) == ("paused", None)


def test_values_are_equal_when_kind_and_fields_are():
    assert Reason(**FIELDS) == Reason(**FIELDS, command=None) and hash(Reason(**FIELDS)) == hash(Reason(**FIELDS))
    finding = {"code": "a", "where": "b", "message": "c", "remedy": "d"}
    assert Problem(**finding) == Problem(**finding) != Note(**finding)


def test_a_value_has_exactly_its_fields():
    with pytest.raises(TypeError, match=r"Reason to have only fields that it has, got \['nope'\]"):
        Reason(**FIELDS, nope=1)
    with pytest.raises(TypeError, match=r"Reason to have all of its fields, got none of \['text', 'brief'\]"):
        Reason(code="paused")


def test_a_value_shows_and_writes_its_fields_in_their_order():
    reason = Reason(**FIELDS)
    assert repr(reason).startswith("Reason(code='paused', text='it is paused', brief='paused'")
    assert list(reason.to_json()) == ["code", "text", "brief", "command", "details"]
