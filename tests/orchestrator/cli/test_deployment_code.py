"""`headgate deployment create` sends code along, tells how much, and can import it first as a machine would."""

from __future__ import annotations

import re
import subprocess
from typing import Any

from tests.orchestrator.cli.conftest import Headgate

FILE = """
import helper
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec

@flow
def main():
    return helper.answer()

DeploymentSpec(flow=main, name="one", source="bundle")
DeploymentSpec(flow=main, name="two", source="bundle")
"""


def deployed(headgate: Headgate, *words: str, text: str = FILE, code: int | None = 0) -> Any:
    """Deploy a file that imports another one beside it."""
    return headgate("deployment", "create", headgate.write("flows.py", text), *words, code=code)


def test_it_prints_how_much_code_there_is_and_how_much_was_sent(headgate: Headgate, opened: Any) -> None:
    headgate.write("helper.py", "def answer():\n    return 42\n")
    (headgate.folder / "out").symlink_to("/etc/passwd")
    first = deployed(headgate)
    assert len(re.findall(r"code +2 files, \d+ bytes \(sent \d+ bytes in 2 files\)", first.out)) == 2
    assert first.err.count("Warning: left out: 'out' is a link that leads out of the folder") == 1
    headgate.write("helper.py", "def answer():\n    return 43\n")
    assert len(re.findall(r"\(sent \d+ bytes in 1 file\)", deployed(headgate).out)) == 2
    again = deployed(headgate)
    assert again.out.count("(nothing to send)") == 2 and "unchanged main/one" in again.out
    inspected = headgate("deployment", "inspect", "main/one").out
    assert re.search(r"Source\s+2 files, \d+ bytes", inspected)
    found = opened.get_deployment("main/one")
    assert found.source["kind"] == "bundle" and found.source["digest"].startswith(found.code_version)


def test_a_module_that_is_left_out_is_found_by_a_check_and_nothing_is_changed(headgate: Headgate, opened: Any) -> None:
    headgate.write("helper.py", "def answer():\n    return 42\n")
    headgate.write(".headgateignore", "helper.py\n")
    answer = deployed(headgate, "--check", code=2)
    place = f"{headgate.folder}/flows.py:2"
    assert f"{place}: there is no module 'helper'" in answer.err
    assert (
        f"helper.py is in {headgate.folder}, and left out of its code: git or .headgateignore ignores it" in answer.err
    )
    assert opened.list_deployments() == []
    (headgate.folder / ".headgateignore").unlink()
    assert "created main/two" in deployed(headgate, "--check").out


def test_code_that_is_looked_for_elsewhere_says_where_and_is_not_imported_by_a_check(headgate: Headgate) -> None:
    headgate.write("helper.py", "")
    subprocess.run(["git", "init", "-q"], cwd=headgate.folder, check=True)
    source = f'GitRepository("https://git.example.org/flows.git", "{"a" * 40}")'
    text = FILE.replace("import DeploymentSpec", "import DeploymentSpec, GitRepository").replace('"bundle"', source, 1)
    answer = deployed(headgate, "--check", text=text.replace('"bundle"', '"path"'))
    assert "code          https://git.example.org/flows.git at aaaaaaaaaa" in answer.out
    assert "code          at the same path on every machine" in answer.out
    assert "Note: main/one was not imported: its code is that of a commit" in answer.err


def test_what_is_too_large_is_refused_with_the_way_out(headgate: Headgate) -> None:
    headgate.write("helper.py", "")
    with (headgate.folder / "trips.parquet").open("wb") as file:
        file.truncate(20 << 20)
    answer = deployed(headgate, code=2)
    assert "got 20.0 MiB in 3 files; the largest are trips.parquet (20.0 MiB)" in answer.err
    assert ".headgateignore, one line each as in a .gitignore" in answer.err
    headgate.write(".headgateignore", "*.parquet\n")
    assert "code          2 files" in deployed(headgate).out


def test_a_run_here_is_of_the_code_that_was_deployed_whatever_became_of_its_folder(headgate: Headgate) -> None:
    headgate.write("helper.py", "def answer():\n    return [open('data.txt').read(), open('new.txt', 'w').write('')]\n")
    headgate.write("data.txt", "seven")
    deployed(headgate)
    headgate.write("data.txt", "eight")
    here = headgate("deployment", "run", "main/one", "--here", "-o", "json")
    assert here.json()["result"] == ["seven", 0]
    assert f"Running a copy of its code: {headgate.folder} has changed since it was deployed" in here.err
    assert not (headgate.folder / "new.txt").exists()
