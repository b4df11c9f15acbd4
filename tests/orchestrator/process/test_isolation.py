"""Files beside the flow are the user's: whatever their names, they work, and ours go on working."""

import os
import py_compile
from pathlib import Path

import pytest

from tests.support.flow_process import run_flow, write_flow


@pytest.mark.parametrize(
    "name", ["agent", "queues", "tests", "utils", "logging", "types", "json", "client", "sdk", "re"]
)
@pytest.mark.parametrize("as_package", [False, True])
def test_a_users_own_module_of_any_name_is_what_the_flow_imports(tmp_path: Path, name: str, as_package: bool) -> None:
    target = tmp_path / name / "__init__.py" if as_package else tmp_path / f"{name}.py"
    target.parent.mkdir(exist_ok=True)
    target.write_text("WHOSE = 'mine'\n")
    path = write_flow(tmp_path, f"import {name}\n@flow\ndef main(): return [{name}.WHOSE]\n")
    result, child = run_flow(path)
    assert result["value"] == b'["mine"]', (result, child.errors())


@pytest.mark.parametrize("name", ["json", "types", "re", "enum", "ctypes", "traceback"])
def test_what_we_load_late_is_pythons_own_and_does_not_take_the_users_name(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.py").write_text("WHOSE = 'mine'\n")
    body = f"""
@task
async def one(): return 1
@flow
def sub(): raise ValueError("told by a traceback")
@flow
def main():
    one().result()
    try:
        sub()
    except ValueError:
        get_run_logger().exception("seen")
    import {name}
    return {{"whose": {name}.WHOSE, "path": __import__("sys").path[0]}}
"""
    result, child = run_flow(write_flow(tmp_path, body))
    assert f'"whose":"mine","path":"{tmp_path}"' in (result["value"] or b"").decode(), (result, child.frames)
    assert "told by a traceback" in child.said()[-1]


def test_a_result_is_json_although_the_users_json_py_was_imported_first(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("def dumps(*a, **k): raise RuntimeError('not this one')\n")
    (tmp_path / "types.py").write_text("raise RuntimeError('nor this')\n")
    result, _ = run_flow(write_flow(tmp_path, "import json\n@flow\ndef main(): return {'a': 1}\n"))
    assert result["value"] == b'{"a":1}'


def test_the_module_has_the_files_name_and_main_part_does_not_run(tmp_path: Path) -> None:
    body = "import sys\n@flow\ndef main():\n    here = sys.modules['score']\n"
    body += "    return [__name__, __file__, here.main is main, sys.argv, sys.path[0]]\n"
    body += "if __name__ == '__main__':\n    open('ran', 'w')\n"
    path = write_flow(tmp_path, body, "score.py")
    result, _ = run_flow(path)
    assert result["value_repr"] == repr(["score", str(path), True, [str(path)], str(tmp_path)])
    assert not (tmp_path / "ran").exists()


def test_relative_paths_start_at_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("here")
    result, _ = run_flow(write_flow(tmp_path, "@flow\ndef main(): return open('data.txt').read()\n"))
    assert result["value"] == b'"here"'


def test_functions_flows_and_tasks_of_the_file_can_be_pickled(tmp_path: Path) -> None:
    body = """
import pickle
def plain(n): return n
@task
def job(n): return n
class Point: pass
@flow
def main():
    return [pickle.loads(pickle.dumps(thing)) is thing for thing in (plain, job, main, Point)]
"""
    result, _ = run_flow(write_flow(tmp_path, body))
    assert result["value"] == b"[true,true,true,true]"


@pytest.mark.parametrize("name", ["my-flow.py", "flow.v2.py", "os.py", "logging.py", "orchestrator.py", "class.py"])
def test_a_flow_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    body = "import os, sys\n@flow\ndef main():\n    return hasattr(os, 'getcwd') and main is not None\n"
    result, _ = run_flow(write_flow(tmp_path, body, name))
    assert result["value"] == b"true", result


def test_a_module_beside_the_flow_is_found_by_tasks_and_after_chdir(tmp_path: Path) -> None:
    (tmp_path / "prices.py").write_text("VALUE = 3\n")
    body = "import os\n@task\ndef late():\n    import prices\n    return prices.VALUE\n"
    result, _ = run_flow(write_flow(tmp_path, body + "@flow\ndef main():\n    os.chdir('/')\n    return late()\n"))
    assert result["value"] == b"3"


def test_threading_first_imported_in_a_task_still_knows_the_main_thread(tmp_path: Path) -> None:
    body = """
@task
def first():
    import threading
    return threading.current_thread() is threading.main_thread()
@flow
def main():
    in_task = first().result()
    import asyncio, signal, threading
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    asyncio.run(asyncio.sleep(0))
    thread = threading.Thread(target=print, args=("joined",)); thread.start()
    return [in_task, threading.current_thread() is threading.main_thread()]
"""
    result, child = run_flow(write_flow(tmp_path, body))
    assert result["value"] == b"[false,true]"
    assert child.said() == ["joined"]


def test_hints_as_text_are_understood(tmp_path: Path) -> None:
    body = "from __future__ import annotations\nfrom orchestrator import flow\n"
    body += "@flow\ndef main(n: int, xs: list[int] | None = None): return [n, xs]\n"
    path = tmp_path / "flow.py"
    path.write_text(body)
    result, _ = run_flow(path, parameters={"n": "1", "xs": ["2"]})
    assert result["value"] == b"[1,[2]]"


def test_no_module_of_ours_but_the_sdk_is_loaded(tmp_path: Path) -> None:
    body = "import sys\n@flow\ndef main(): return sorted({m.split('.')[0] for m in sys.modules})\n"
    result, _ = run_flow(write_flow(tmp_path, body))
    assert b"orchestrator" in result["value"]
    assert b'"agent"' not in result["value"] and b'"queues"' not in result["value"]


def test_a_file_edited_within_a_second_to_the_same_size_runs_as_it_is_now(tmp_path: Path) -> None:
    path = write_flow(tmp_path, "@flow\ndef main(): return 'old'\n")
    py_compile.compile(str(path))
    before = path.stat()
    path.write_text(path.read_text().replace("old", "new"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    result, _ = run_flow(path)
    assert result["value"] == b'"new"'
