"""Running the flow of a start order in this process, from loading its file to what Python owes it at exit."""

import faulthandler
import os

from orchestrator.process import ending, output, user_code
from orchestrator.process.agent_reporter import AgentReporter
from orchestrator.process.link import Link
from orchestrator.sdk import context, flow_runs, import_hooks, interrupts, results, workers
from orchestrator.sdk.context import FlowRun
from orchestrator.sdk.errors import ParameterError, RunTerminated
from orchestrator.sdk.flows import Flow
from orchestrator.sdk.states import State, completed, describe, failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Start = dict[str, Any]


def outcome(link: Link, start: "Start") -> dict[str, object]:
    """Run the flow; the body of the result frame, whatever happens. Nothing interrupts the process afterwards."""
    try:
        result = _carried_out(link, start)
    except BaseException as error:  # an interrupt that came too late for the run itself, or a fault of ours
        result = _result_of(_ended_by(error))
    interrupts.ignore()
    return result


def _carried_out(link: Link, start: "Start") -> dict[str, object]:
    output.redirect(link)
    context.report_to(AgentReporter(link))
    context.in_flow_process = True  # deployments that the flow's file declares were checked when it was deployed
    import_hooks.after_import("logging", _capture_logging)
    interrupts.raise_on_terminate()
    faulthandler.enable(2)  # a crash in compiled code tells its Python stack, by the pipe
    try:
        state = _attempt(_made(start), start)
    except BaseException as error:
        state = _ended_by(error)
    if state.is_failed() and state.error is not None:
        _log_failure(state)
    result = _result_of(state)
    ending.finish_user_code()
    return result


def _capture_logging(logging: "Any") -> None:
    from orchestrator.process import log_hook

    log_hook.attach(logging)


def _made(start: "Start") -> FlowRun:
    """The root run: working directory, user code, the flow in it."""
    if start.get("links"):
        _furnish(start["working_dir"], start["links"])
    if start.get("working_dir"):
        os.chdir(start["working_dir"])
    run = FlowRun(_flow_at(start["path"], start["function"], start["folder"]))
    run.id = start["run_id"]
    run.name = start.get("run_name") or start["run_id"]
    run.attempt = start.get("attempt") or 1
    run.deployment = start.get("deployment")
    run.tags = tuple(start.get("tags") or ())
    context.root_run = run
    return run


def _furnish(folder: str, beside: str) -> None:
    """Make this run's own working folder, in which what lies beside the flow's file is found under its own name."""
    try:
        os.mkdir(folder, 0o700)
    except FileNotFoundError:
        os.makedirs(folder, 0o700)
    for name in os.listdir(beside):
        if name != "__pycache__":
            os.symlink(f"{beside}/{name}", f"{folder}/{name}")


def _flow_at(path: str, function: str, folder: str) -> Flow:
    module = user_code.load(path, folder)
    found = getattr(module, function, None)
    if not isinstance(found, Flow):
        there = ", ".join(user_code.flows_in(module)) or "none"
        raise LookupError(f"expected a flow named {function} in {path}, found: {there}")
    return found


def _attempt(run: FlowRun, start: "Start") -> State:
    """One attempt: another one, if the deployment wants it, is the agent's business and a new process."""
    flow = run.flow
    workers.set_limit(flow.max_workers)
    try:
        bound = flow.bind(flow._with_owner(()), start.get("parameters") or {})
    except ParameterError as error:
        return failed(error)
    run.parameters = bound.as_map()
    timeout = start.get("timeout_seconds") or flow.timeout_seconds
    if flow.is_async:
        from orchestrator.sdk import coroutines

        return coroutines.run(run, bound, timeout)
    return flow_runs.attempt(run, bound, timeout)


def _ended_by(error: BaseException) -> State:
    """The state of a run that an exit, an interrupt or a fault outside the flow function has ended."""
    if isinstance(error, SystemExit):
        if error.code is None or error.code == 0:
            return completed()
        return State("FAILED", "Exited", f"the flow called sys.exit({error.code!r:.400})", error=error)
    return failed(error)


def _log_failure(state: State) -> None:
    from orchestrator.sdk import tracebacks

    error = state.error
    quiet = error is None or isinstance(error, (ParameterError, SystemExit, RunTerminated))
    text = state.message if quiet or error is None else f"{state.message}\n{tracebacks.formatted(error)}"
    context.reporter().log(40, "flow", f"flow run failed: {text}")


def _result_of(state: State) -> dict[str, object]:
    body: dict[str, object] = {"state": state.type if state.is_completed() else "FAILED", "message": state.message}
    if state.name != state.type.capitalize():
        body["name"] = state.name
    if state.error is not None:
        from orchestrator.sdk import tracebacks

        body["message"] = state.message or describe(state.error)
        body["traceback"] = tracebacks.formatted(state.error)
        body.update(value=None, value_repr="", value_type="")
    else:
        body.update(results.encoded(state.result()))
    return body
