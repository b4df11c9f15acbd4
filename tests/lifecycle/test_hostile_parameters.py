"""Parameters that mean something to a shell, an option parser, a template engine or a format: here they are text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.client import Client
from queues.states import State
from tests.lifecycle.worksite import Site

HOSTILE = [
    *("; touch canary", "$(touch canary)", "`touch canary`", "| touch canary", "& touch canary", "x\ntouch canary\n"),
    *("--help", "-rf", "--", "-c touch canary", "@canary", "file://canary", "../canary", "~/canary", "*"),
    *(
        "${HOME}",
        "$HOME",
        "%(home)s",
        "%s%n%x",
        "{0.__class__}",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "<script>alert(1)</script>",
    ),
    *(
        "__proto__",
        "constructor",
        "!!python/object/apply:os.system ['touch canary']",
        "cos\nsystem\n(S'touch canary'\ntR.",
    ),
    *("", " ", "null", "NaN", "\x1b[2J", "\r", "\u202e", "e\u0301", "\N{SNOWMAN}" * 100),
]
FLOW = """
from pathlib import Path
from orchestrator import flow
@flow
def main(values: list[str], others: dict[str, str]):
    told = Path('/proc/self/cmdline').read_bytes() + Path('/proc/self/environ').read_bytes()
    print(*values, sep='\\0')
    return {'values': values, 'others': others, 'told': told.decode(errors='replace')}
"""


@pytest.fixture
def canaries(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where a canary would be made: the folder of the flow, that of its agent, home."""
    folders = [site.folder, site.folder / "cwd", site.folder / "own"]
    for folder in folders[1:]:
        folder.mkdir()
    monkeypatch.chdir(site.folder / "cwd")
    monkeypatch.setenv("HOME", str(site.folder / "own"))
    return folders


def test_parameters_are_text_to_everything_between_submit_and_flow(site: Site, canaries: list[Path]) -> None:
    site.deploy(FLOW)
    site.agent()
    given = {"values": HOSTILE, "others": dict(zip(HOSTILE, reversed(HOSTILE), strict=True))}
    made = Client(site.store, actor="a test").run_deployment("main/d", parameters=given)
    site.until(made.id, State.COMPLETED)
    result = json.loads(site.store.records.data(made.id, "result") or b"")
    assert {name: result[name] for name in given} == given
    assert not any(value in result["told"] for value in HOSTILE if "canary" in value), (
        "on its command line, or in its variables"
    )
    assert [left for folder in canaries for left in folder.rglob("canary*")] == []
