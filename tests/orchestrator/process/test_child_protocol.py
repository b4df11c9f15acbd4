"""A flow's process greets, waits for its go, runs the flow, and answers with one result."""

import signal
from pathlib import Path

import pytest

from orchestrator.process import frames
from tests.support.flow_process import FlowProcess, run_flow, write_flow
from tests.support.waiting import wait_until


def test_it_says_hello_with_version_and_pid_before_anything_else(tmp_path: Path) -> None:
    with FlowProcess(write_flow(tmp_path, "@flow\ndef main(): pass\n")) as child:
        assert child.until("hello") == {"version": frames.VERSION, "pid": child.process.pid}


def test_user_code_does_not_run_before_go(tmp_path: Path) -> None:
    with FlowProcess(write_flow(tmp_path, "open('ran', 'w')\n@flow\ndef main(): pass\n")) as child:
        child.until("hello")
        child.send_start()
        child.send("stop", reason="superseded")
        assert child.finish() == {}
        assert child.process.returncode == 0
        assert not (tmp_path / "ran").exists()


def test_start_and_go_may_come_before_hello_is_read(tmp_path: Path) -> None:
    with FlowProcess(write_flow(tmp_path, "@flow\ndef main(): return 7\n")) as child:
        child.send_start()
        child.send("go")
        assert child.finish()["value"] == b"7"


def test_a_result_carries_json_repr_and_type(tmp_path: Path) -> None:
    result, child = run_flow(write_flow(tmp_path, "@flow\ndef main(): return {'a': [1, None]}\n"))
    expected = {"state": "COMPLETED", "message": "", "value": b'{"a":[1,null]}'}
    assert result == {**expected, "value_repr": "{'a': [1, None]}", "value_type": "dict"}
    assert child.frames[-1][0] == "result"
    assert child.process.returncode == 0


def test_parameters_are_converted_by_the_hints(tmp_path: Path) -> None:
    path = write_flow(tmp_path, "@flow\ndef main(n: int, xs: list[float]): return [n, xs]\n")
    result, _ = run_flow(path, parameters={"n": "3", "xs": [1, "2.5"]})
    assert result["value"] == b"[3,[1.0,2.5]]"


def test_parameters_that_do_not_fit_fail_the_run_with_every_problem(tmp_path: Path) -> None:
    path = write_flow(tmp_path, "@flow\ndef main(n: int, day: str): pass\n")
    result, _ = run_flow(path, parameters={"n": "x", "dya": "1"})
    assert (result["state"], result["name"]) == ("FAILED", "ParameterError")
    for problem in ('parameter n: expected int, got "x"', "parameter dya: unknown", "parameter day: missing"):
        assert problem in result["message"]


def test_tasks_are_told_from_running_to_their_end(tmp_path: Path) -> None:
    body = "@task\ndef half(n): return n / 2\n@flow\ndef main(): return half(half(8)).result()\n"
    _, child = run_flow(write_flow(tmp_path, body))
    moves = [(move["id"], move["state"]) for move in child.of("task")]
    assert [state for id, state in moves if id == "half-0"] == ["RUNNING", "COMPLETED"]
    assert [state for id, state in moves if id == "half-1"] == ["PENDING", "RUNNING", "COMPLETED"]
    assert {(move["name"], move["kind"]) for move in child.of("task")} == {("half", "task")}


def test_a_subflow_is_told_as_a_flow_and_its_tasks_name_it_as_parent(tmp_path: Path) -> None:
    body = "@task\ndef t(): pass\n@flow\ndef sub():\n    t()\n@flow\ndef main():\n    sub()\n"
    _, child = run_flow(write_flow(tmp_path, body))
    flows = [move for move in child.of("task") if move["kind"] == "flow"]
    assert [move["state"] for move in flows] == ["RUNNING", "COMPLETED"]
    assert {move["parent"] for move in child.of("task") if move["kind"] == "task"} == {flows[0]["id"]}


def test_a_failure_has_a_reason_a_traceback_of_user_code_only_and_a_log_record(tmp_path: Path) -> None:
    result, child = run_flow(write_flow(tmp_path, "@flow\ndef main():\n    raise KeyError('gone')\n"))
    assert (result["state"], result["message"]) == ("FAILED", "KeyError: 'gone'")
    assert "flow.py" in result["traceback"]
    assert "orchestrator" not in result["traceback"]
    assert child.of("log")[-1]["level"] == 40
    assert "KeyError: 'gone'" in child.of("log")[-1]["message"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("@flow\ndef other(): pass\n", "expected a flow named main in"),
        ("@flow\ndef other(): pass\n", "found: other"),
        ("import not_there\n", "No module named 'not_there'"),
        ("def main(:\n", "SyntaxError"),
        ("def main(): pass\n", "found: none"),
    ],
)
def test_a_file_without_the_flow_fails_with_what_is_wrong(tmp_path: Path, body: str, reason: str) -> None:
    result, _ = run_flow(write_flow(tmp_path, body))
    assert result["state"] == "FAILED"
    assert reason in result["message"]


def test_the_working_directory_of_the_order_is_entered(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write_flow(tmp_path, "import os\n@flow\ndef main(): return os.getcwd()\n")
    result, _ = run_flow(path, start={"working_dir": str(elsewhere)})
    assert result["value_repr"] == repr(str(elsewhere))


def test_a_missing_working_directory_fails_the_run_by_name(tmp_path: Path) -> None:
    path = write_flow(tmp_path, "@flow\ndef main(): pass\n")
    result, _ = run_flow(path, start={"working_dir": "/not/there"})
    assert result["state"] == "FAILED"
    assert "/not/there" in result["message"]


def test_the_run_knows_who_it_is(tmp_path: Path) -> None:
    body = "from orchestrator import get_run_context\n@flow\ndef main():\n    run = get_run_context().flow_run\n"
    path = write_flow(tmp_path, body + "    return [run.name, run.attempt, run.deployment, list(run.tags)]\n")
    result, _ = run_flow(path, start={"attempt": 3, "tags": ["ml"]})
    assert result["value"] == b'["quiet-otter-1",3,"main/test",["ml"]]'


def test_the_agents_end_before_go_ends_the_process(tmp_path: Path) -> None:
    with FlowProcess(write_flow(tmp_path, "@flow\ndef main(): pass\n")) as child:
        child.until("hello")
        child.socket.close()
        child.process.wait(10)


def test_the_agents_end_in_the_middle_kills_the_whole_group(tmp_path: Path) -> None:
    body = "import os, subprocess, time\n@flow\ndef main():\n    sleeper = subprocess.Popen(['sleep', '60'])\n"
    body += "    print(sleeper.pid)\n    while True:\n        print('.')\n        time.sleep(0.01)\n"
    with FlowProcess(write_flow(tmp_path, body)) as child:
        pid = int(child.go().until("out")["text"])
        child.socket.close()
        assert child.process.wait(10) == -signal.SIGKILL
        wait_until(lambda: not alive(pid), 5)


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
