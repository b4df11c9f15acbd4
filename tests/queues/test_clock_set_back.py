"""A clock of Redis that is set back by an hour keeps nobody from anything for that hour."""

from queues.identity import ProcessIdentity
from queues.presence import Clash, Presence, Registered
from tests.queues.floor import Floor

ELSEWHERE = ProcessIdentity(host="another", pid=1, boot_id="b", started="1")
HERE = ProcessIdentity(host="another", pid=2, boot_id="b", started="9")


def test_the_name_of_an_agent_that_died_before_the_clock_was_set_back_can_be_taken(floor: Floor) -> None:
    presence = Presence(floor.scripts)
    presence.register("a1", ["default"], limit=1, instance="i1", identity=ELSEWHERE)
    floor.travel(-3600)
    again = presence.register("a1", ["default"], limit=1, instance="i2", identity=HERE)
    assert isinstance(again, Registered)


def test_the_name_of_one_that_renewed_since_can_not(floor: Floor) -> None:
    presence = Presence(floor.scripts)
    presence.register("a1", ["default"], limit=1, instance="i1", identity=ELSEWHERE)
    floor.travel(-3600)
    floor.agent("a1").renew([], info={"instance": "i1"})
    again = presence.register("a1", ["default"], limit=1, instance="i2", identity=HERE)
    assert isinstance(again, Clash)
