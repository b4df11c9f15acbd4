"""What a deployment's spec asks for in the way of an environment."""

import pytest

from agent.environments.need import EnvironmentNeed, environment_need

OWN = {"PATH": "", "HOME": "/users/x"}


def test_a_deployment_without_requirements_needs_no_environment() -> None:
    assert environment_need({"folder": "/flows"}, OWN) is None
    assert environment_need({"folder": "/flows", "requirements": []}, OWN) is None


def test_equal_needs_have_one_key_and_come_back_from_their_fields() -> None:
    spec = {"folder": "/flows", "requirements": ["pandas==2.2.3", "numpy"], "python": "./py"}
    need = environment_need(spec, OWN)
    assert need == EnvironmentNeed(lines=("pandas==2.2.3", "numpy"), python="/flows/py")
    assert need == EnvironmentNeed.of(need.to_dict()) and hash(need) == hash(EnvironmentNeed.of(need.to_dict()))
    assert need.key == EnvironmentNeed.of(need.to_dict()).key != EnvironmentNeed(lines=need.lines).key
    assert (need.kind, need.part) == ("environment", "environment") and need.key.startswith("environment-")


@pytest.mark.parametrize("lines", ["pandas", {"pandas": 1}, ["-e ."], ["pandas\n-e ."], [3], ["--pre"], ["x @ ../y"]])
def test_what_no_deployment_may_record_is_refused_when_it_is_read_again(lines: object) -> None:
    with pytest.raises(ValueError, match="requirement"):
        environment_need({"folder": "/flows", "requirements": lines}, OWN)
