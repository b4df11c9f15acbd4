"""Half a minute of the chaos of real processes in every test run; `make chaos` is two minutes of the same."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.real import Plan, run

CHAOS_SECONDS = 22.0


def test_nothing_is_lost_doubled_or_exceeded_while_everything_dies(tmp_path: Path) -> None:
    result = run(Plan(seed=7, seconds=CHAOS_SECONDS, keep=tmp_path))
    assert not result.violations, "\n".join([*result.lines(), f"history and logs: {tmp_path}"])
    kinds, occurred = result.by_kind(), result.report.occurred()
    assert sum(result.kills.values()) >= 10 and result.runs >= 50
    assert sum(result.starts.values()) > len(result.starts) + 5, "agents and schedulers were started again"
    assert any(kinds[kind] for kind in ("kill redis", "freeze redis")) and len(kinds) >= 10
    assert sum(result.struck.values()) >= 3, "connections were really struck"
    assert occurred["leases expired"] >= 1 and occurred["runs started again"] >= 5
