"""Writes docs/cli.md and docs/operating.md: plays the story on a private installation (about a minute, needs root).

python -m tests.cli_page [--folder FOLDER]
"""

import argparse
import sys
from pathlib import Path

from tests.cli_page.command_tree import entries
from tests.cli_page.page import commands_page, operating_page
from tests.cli_page.stage import Stage, in_a_namespace
from tests.cli_page.story import ACTS, FLOWS, play
from tests.rules.source_files import ROOT


def main() -> int:
    """Play the story and write both pages."""
    parser = argparse.ArgumentParser(prog="python -m tests.cli_page", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs", help="where to write (docs)")
    folder = parser.parse_args().folder
    if not in_a_namespace():
        print("the hosts of this page need names of their own, which only root may give them", file=sys.stderr)
        return 1
    write(folder)
    return 0


def write(folder: Path) -> None:
    """Play the story once, and write what it printed into two files of a folder."""
    with Stage({"flows.py": FLOWS}) as stage:
        typed, answers = play(stage)
    questions = [act.question for act in ACTS if act.question]
    (folder / "cli.md").write_text(commands_page(entries(), typed), encoding="utf-8")
    (folder / "operating.md").write_text(operating_page(questions, answers), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
