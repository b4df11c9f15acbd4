"""Counting the kernel's OOM kills."""

from pathlib import Path

from agent.runners.memory import OomCounter


def test_new_kills_are_counted_in_a_unified_group(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/agents/a1\n")
    events = tmp_path / "root" / "agents" / "a1" / "memory.events"
    events.parent.mkdir(parents=True)
    events.write_text("low 0\noom 3\noom_kill 2\n")
    counter = OomCounter(tmp_path / "cgroup", tmp_path / "root")
    assert counter.new_kills() == 0
    events.write_text("low 0\noom 4\noom_kill 3\n")
    assert (counter.new_kills(), counter.new_kills()) == (1, 0)


def test_new_kills_are_counted_in_a_group_of_version_1(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("9:cpu:/x\n4:memory:/jobs/7\n0::/\n")
    control = tmp_path / "memory" / "jobs" / "7" / "memory.oom_control"
    control.parent.mkdir(parents=True)
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n")
    counter = OomCounter(tmp_path / "cgroup", tmp_path)
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    assert counter.new_kills() == 1


def test_where_nothing_counts_nothing_is_claimed(tmp_path: Path) -> None:
    assert OomCounter(tmp_path / "absent", tmp_path).new_kills() == 0


def test_a_group_without_the_controller_is_counted_in_the_one_around_it(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/agents/a1/supervisor\n")
    events = tmp_path / "root" / "agents" / "memory.events"
    (events.parent / "a1" / "supervisor").mkdir(parents=True)
    events.write_text("oom_kill 2\n")
    counter = OomCounter(tmp_path / "cgroup", tmp_path / "root")
    events.write_text("oom_kill 3\n")
    assert counter.new_kills() == 1
