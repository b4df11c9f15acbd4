"""The process of `headgate deployment create --check`: imports one flow as a run of it would, from the code it gets.

Started as ``python -P -c CODE <fd> <path> <folder> <function>`` and clean as that of `deploy` is; answers in the same
way: ``{"specs": [], "warnings": []}`` when the flow was found, or ``{"error": …}``.
"""

from typing import Any

from orchestrator.errors import InvalidFlowFile
from orchestrator.process import user_code
from orchestrator.process.deploy import answer
from orchestrator.process.load_errors import explained
from orchestrator.sdk import context
from orchestrator.sdk.flows import Flow


def main(fd: int, path: str, folder: str, function: str) -> None:
    """Import the flow, write the answer, leave; never returns."""
    answer(fd, checked(path, folder, function))


def checked(path: str, folder: str, function: str) -> dict[str, Any]:
    """Nothing, or what is wrong with the code."""
    context.in_flow_process = True
    try:
        module = user_code.load(path, folder)
        if not isinstance(getattr(module, function, None), Flow):
            there = ", ".join(user_code.flows_in(module)) or "none"
            message = f"expected a flow named {function}, found: {there}"
            raise InvalidFlowFile(message, code="no-flow", file=path, hint="its file imports something else here")
    except BaseException as error:
        return {"error": explained(error, path, folder)}
    return {"specs": [], "warnings": []}
