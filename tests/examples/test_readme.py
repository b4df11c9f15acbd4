"""What the README shows works as shown."""

import re
import subprocess
import sys

from tests.rules.source_files import ROOT


def test_the_flow_of_the_first_five_minutes_runs_alone(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "greet.py").write_text(code)
    done = subprocess.run([sys.executable, "greet.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "hello world: [2, 4, 6]" in done.stdout
