"""Ids and names follow from what they stand for, so that they are the same wherever they are computed."""

from datetime import UTC, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from orchestrator.deployments import deployment_id as lean_deployment_id
from orchestrator.runs import ADJECTIVES, ANIMALS, deployment_id, ids_of_name, new_run_id, run_name, scheduled_run_id

DEPLOYMENT = "02e6b456-4597-5758-bcda-505a59f157b8"


def test_ids_never_change() -> None:
    assert deployment_id("main", "x") == lean_deployment_id("main", "x") == DEPLOYMENT
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert scheduled_run_id(DEPLOYMENT, "default", at) == "5d4f1596-4811-5020-a407-c7aafa0c9829"
    assert run_name("5d4f1596-4811-5020-a407-c7aafa0c9829") == "mindful-lemur-29"


def test_an_instant_is_the_same_in_every_zone() -> None:
    at = datetime(2026, 3, 1, 9, tzinfo=UTC)
    in_paris = at.astimezone(ZoneInfo("Europe/Paris"))
    assert scheduled_run_id(DEPLOYMENT, "default", in_paris) == scheduled_run_id(DEPLOYMENT, "default", at)


def test_every_schedule_and_instant_has_an_id_of_its_own() -> None:
    days = [datetime(2026, 3, day, tzinfo=UTC) for day in range(1, 31)]
    ids = {scheduled_run_id(DEPLOYMENT, slug, day) for slug in ("a", "b") for day in days}
    assert len(ids) == 60
    assert {UUID(one).version for one in ids} == {5}


def test_a_name_is_two_words_and_a_number() -> None:
    names = [run_name(new_run_id()) for _ in range(500)]
    assert len(set(names)) > 495
    for name in names:
        adjective, animal, number = name.split("-")
        assert adjective in ADJECTIVES and animal in ANIMALS and len(number) == 2


def test_the_ids_of_a_name_are_known_by_a_remainder() -> None:
    for run_id in (new_run_id() for _ in range(200)):
        common = ids_of_name(run_name(run_id))
        assert common is not None
        assert UUID(run_id).int % common[0] == common[1]
    for other in ("", "brave", "brave-otter", "brave-otter-7", "no-such-42", "x" * 99):
        assert ids_of_name(other) is None
