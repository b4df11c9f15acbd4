"""Which run is forked from which template, and when templates come and go: messages in, choices out."""

import pytest

from agent.templates import (
    GROWN_BYTES,
    IDLE_SECONDS,
    MOST_BIRTHS,
    MOST_DEATHS,
    MOST_LEFT_OUT,
    MOST_TEMPLATES,
    NOTHING,
    REFUSED_SECONDS,
    Choice,
    Key,
    Recipe,
    Templates,
)

ROOM = 1 << 30
NAMES = ("numpy", "pandas")


def key(code: str = "main/d@1", variables: str = "A=1", interpreter: str | None = None) -> Key:
    return Key(Recipe(code, interpreter, ()), variables)


def taught(deployment: str = "main/d", templates: Templates | None = None, size: int = 1000) -> Templates:
    """A deployment whose first run was cold, and whose template is ready."""
    made = templates or Templates(ROOM)
    assert made.take(0.0, deployment, key()).learn
    plan = made.learned(1.0, deployment, key(), NAMES).begin
    assert plan is not None and plan.names == NAMES
    made.ready(2.0, plan.number, size)
    return made


def test_the_first_run_is_cold_and_teaches_and_the_next_is_forked() -> None:
    templates = Templates(ROOM)
    assert templates.take(0.0, "main/d", key()) == Choice(learn=True)
    begun = templates.learned(1.0, "main/d", key(), NAMES).begin
    assert begun is not None
    assert templates.take(1.5, "main/d", key()) == NOTHING, "no run waits for a template"
    assert templates.ready(2.0, begun.number, 1000) == NOTHING
    assert templates.take(3.0, "main/d", key()) == Choice(template=begun.number)
    assert templates.learned(4.0, "main/d", key(), ()) == NOTHING, "it is taught once"


@pytest.mark.parametrize(
    "other",
    [key(code="main/d@2"), key(interpreter="/srv/venv/bin/python"), Key(Recipe("main/d@1", None, ("e1",)), "A=1")],
)
def test_other_code_interpreter_or_environment_is_learned_anew_and_replaces_the_template(other: Key) -> None:
    templates = taught()
    assert templates.take(3.0, "main/d", other) == Choice(learn=True)
    begun = templates.learned(4.0, "main/d", other, ("scipy",)).begin
    assert begun is not None and begun.names == ("scipy",)
    assert templates.ready(5.0, begun.number, 1000).drop == (1,)
    assert templates.take(6.0, "main/d", other).template == begun.number


def test_variables_of_a_single_run_make_no_template_but_two_in_a_row_do() -> None:
    templates = taught()
    assert templates.take(3.0, "main/d", key(variables="A=2")) == NOTHING
    assert templates.take(3.0, "main/d", key(variables="A=3")) == NOTHING
    assert templates.take(3.0, "main/d", key()) == Choice(template=1)
    assert templates.take(3.0, "main/d", key(variables="A=2")) == NOTHING
    begun = templates.take(3.0, "main/d", key(variables="A=2")).begin
    assert begun is not None and templates.ready(4.0, begun.number, 1000).drop == (1,)


def test_a_worn_template_serves_until_its_successor_is_ready() -> None:
    templates = taught()
    for _ in range(MOST_BIRTHS - 1):
        assert templates.take(3.0, "main/d", key()) == Choice(template=1)
    choice = templates.take(3.0, "main/d", key())
    assert choice.template == 1 and choice.begin is not None
    assert templates.take(3.0, "main/d", key()) == Choice(template=1)
    assert templates.ready(4.0, choice.begin.number, 1000).drop == (1,)
    assert templates.take(5.0, "main/d", key()) == Choice(template=2)


@pytest.mark.parametrize(
    ("now", "size", "dropped"),
    [
        (3.0, 1000 + GROWN_BYTES, ()),
        (3.0, 1001 + GROWN_BYTES, (1,)),
        (1.9 + IDLE_SECONDS, 1000, ()),
        (2.0 + IDLE_SECONDS, 1000, (1,)),
    ],
)
def test_a_template_that_has_grown_or_is_idle_is_dropped_and_made_again_when_needed(
    now: float, size: int, dropped: tuple[int, ...]
) -> None:
    templates = taught()
    assert templates.look(now, {1: size}) == dropped
    choice = templates.take(now, "main/d", key())
    assert (choice.template is None, choice.begin is not None) == (bool(dropped), bool(dropped))


def test_a_package_that_can_not_be_preloaded_is_left_out_and_after_a_few_the_deployment_is_cold() -> None:
    templates = Templates(ROOM)
    templates.take(0.0, "main/d", key())
    begun = templates.learned(1.0, "main/d", key(), NAMES).begin
    for number in range(MOST_LEFT_OUT):
        assert begun is not None and len(begun.left_out) == number
        begun = templates.unfit(2.0, begun.number, f"p{number}", "leaves a thread").begin
    assert begun is not None and templates.left_out("main/d") == dict.fromkeys(begun.left_out, "leaves a thread")
    assert templates.unfit(3.0, begun.number, "p9", "leaves a thread").refused == "p9 leaves a thread"
    assert templates.take(4.0, "main/d", key()) == NOTHING
    assert templates.take(4.0 + REFUSED_SECONDS, "main/d", key()).begin is not None


def test_a_template_that_dies_at_its_imports_makes_the_deployment_cold_for_a_reason() -> None:
    templates = Templates(ROOM)
    templates.take(0.0, "main/d", key())
    begun = templates.learned(1.0, "main/d", key(), NAMES).begin
    assert begun is not None and templates.gone(2.0, begun.number, "was killed").refused == "was killed"
    assert templates.take(3.0, "main/d", key()) == NOTHING


def test_one_that_dies_while_it_serves_is_made_again_until_it_has_died_too_often() -> None:
    templates = taught()
    for number in range(1, MOST_DEATHS):
        assert templates.gone(3.0, number, "was killed") == NOTHING
        begun = templates.take(4.0, "main/d", key()).begin
        assert begun is not None and templates.ready(5.0, begun.number, 1000) == NOTHING
    assert templates.gone(6.0, MOST_DEATHS, "was killed").refused == "was killed"


def test_one_that_was_dropped_counts_as_no_death() -> None:
    templates = taught()
    assert templates.gone(3.0, 1, "stale", dropped=True) == NOTHING
    assert templates.take(4.0, "main/d", key()).begin is not None
    assert templates.gone(5.0, 99, "unknown") == NOTHING


def test_the_one_that_was_used_longest_ago_makes_room() -> None:
    templates = Templates(ROOM)
    for number in range(MOST_TEMPLATES):
        taught(f"main/{number}", templates)
    templates.take(9.0, "main/0", key())
    templates.take(9.0, "main/new", key())
    choice = templates.learned(10.0, "main/new", key(), NAMES)
    assert choice.begin is not None and choice.drop == (2,)
    assert templates.take(11.0, "main/0", key()).template == 1


def test_all_together_take_no_more_memory_than_they_may() -> None:
    templates = taught("main/a", size=ROOM // 2)
    templates.take(3.0, "main/b", key())
    begun = templates.learned(4.0, "main/b", key(), NAMES).begin
    assert begun is not None and templates.ready(5.0, begun.number, ROOM // 2 + 1).drop == (1,)
    templates.take(6.0, "main/c", key())
    begun = templates.learned(7.0, "main/c", key(), NAMES).begin
    assert begun is not None
    choice = templates.ready(8.0, begun.number, ROOM + 1)
    assert choice.drop == (begun.number,) and "would take 1024 MiB" in choice.refused
