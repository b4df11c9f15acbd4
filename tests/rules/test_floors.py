"""Lower floors never import upper ones, and no import hides inside a function."""

import pytest

from tests.rules.floors import floor, floor_errors, late_import_errors
from tests.rules.source_files import PRODUCT, python_files, sample


def test_every_product_module_stands_on_a_floor_and_imports_only_from_below():
    errors = [error for source in python_files(*PRODUCT) for error in floor_errors(source)]
    assert not errors, "\n".join(errors)


def test_imports_inside_functions_have_a_reason_on_the_list():
    errors = [error for source in python_files(*PRODUCT) for error in late_import_errors(source)]
    assert not errors, "\n".join(errors)


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("queues/claims.py", "import orchestrator.states", "queues knows neither of the other packages"),
        ("queues/cli.py", "import agent.process", "queues knows neither of the other packages"),
        ("orchestrator/store/runs.py", "from orchestrator.scheduler import tick", "floor 2 never imports floor 3"),
        ("orchestrator/states.py", "from orchestrator import client", "floor 1 never imports floor 2"),
        ("orchestrator/runs.py", "from .store import runs", "floor 1 never imports floor 2"),
        ("orchestrator/client.py", "import agent.slots", "the orchestrator never imports the agent"),
        ("orchestrator/client.py", "def f():\n    from agent import slots", "the orchestrator never imports the agent"),
        ("orchestrator/cli/root.py", "import agent.cli", "loads agent.cli late"),
        ("orchestrator/sdk/flows.py", "from queues.states import State", "nothing of ours but the orchestrator"),
        ("orchestrator/runs.py", "from queues import keys", "only queues.states"),
        ("orchestrator/config.py", "import redis", "floor 1 is pure"),
        ("orchestrator/schedules/cron.py", "from croniter import croniter", "only inside the function"),
        ("orchestrator/brand_new.py", "", "has no floor"),
        ("orchestrator/web/pages.py", "from orchestrator.store import runs", "never the store"),
    ],
)
def test_an_import_of_a_higher_floor_fails_with_a_sentence(path, text, sentence):
    assert sentence in "\n".join(floor_errors(sample(path, text)))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("agent/process.py", "from orchestrator.process import frames\nfrom queues.claims import Claims"),
        (
            "orchestrator/cli/root.py",
            'def load():\n    import importlib\n    return importlib.import_module("agent.cli")',
        ),
        ("orchestrator/schedules/cron.py", "def following():\n    from croniter import croniter"),
        ("orchestrator/states.py", "from queues.states import State"),
    ],
)
def test_an_import_from_below_is_fine(path, text):
    assert floor_errors(sample(path, text)) == []


def test_an_import_inside_a_function_fails_where_no_reason_allows_it():
    hidden = sample("queues/claims.py", "def claim():\n    from queues import leases")
    late = sample("orchestrator/sdk/flows.py", "def run():\n    import traceback\n    import numpy")
    assert "inside a function" in late_import_errors(hidden)[0]
    assert [error.split(": ")[1].split(";")[0] for error in late_import_errors(late)] == [
        "import of numpy inside a function",
    ]


def test_the_longest_name_decides_the_floor():
    assert (floor("queues.claims"), floor("queues.cli"), floor("orchestrator"), floor("agent.runners.x")) == (
        0,
        5,
        1,
        3,
    )
