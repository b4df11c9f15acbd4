"""The standard logging module is captured with no setting, and the user's own set-up of it goes on working."""

from pathlib import Path
from typing import Any

from tests.support.flow_process import run_flow, write_flow


def logs_of(folder: Path, body: str) -> list[dict[str, Any]]:
    result, child = run_flow(write_flow(folder, f"import logging\n{body}"))
    assert result["state"] == "COMPLETED", result
    return child.of("log")


def test_info_and_above_arrive_with_level_and_logger_without_any_setting(tmp_path: Path) -> None:
    body = (
        "@flow\ndef main():\n    log = logging.getLogger('my.lib')\n    log.debug('d'); log.info('i'); log.error('e')\n"
    )
    logs = logs_of(tmp_path, body)
    assert [(each["level"], each["logger"], each["message"]) for each in logs] == [
        (20, "my.lib", "i"),
        (40, "my.lib", "e"),
    ]


def test_basic_config_still_sets_level_and_format(tmp_path: Path) -> None:
    body = (
        "logging.basicConfig(level=logging.DEBUG, format='<%(message)s>')\n@flow\ndef main(): logging.debug('deep')\n"
    )
    assert [(each["level"], each["message"]) for each in logs_of(tmp_path, body)] == [(10, "<deep>")]


def test_a_record_is_sent_once_although_two_handlers_could_take_it(tmp_path: Path) -> None:
    body = "logging.basicConfig()\n@flow\ndef main(): logging.getLogger('a').warning('once')\n"
    assert len(logs_of(tmp_path, body)) == 1


def test_a_file_handler_goes_on_writing_its_file(tmp_path: Path) -> None:
    body = f"logging.basicConfig(filename='{tmp_path}/my.log', level='INFO')\n@flow\ndef main(): logging.info('kept')\n"
    logs_of(tmp_path, body)
    assert "kept" in (tmp_path / "my.log").read_text()


def test_an_exception_is_logged_with_its_traceback(tmp_path: Path) -> None:
    body = "@flow\ndef main():\n    try:\n        1 / 0\n    except ZeroDivisionError:\n"
    message = logs_of(tmp_path, body + "        logging.exception('oops')\n")[0]["message"]
    assert message.startswith("oops\nTraceback")
    assert "ZeroDivisionError" in message


def test_a_record_of_a_task_names_the_task(tmp_path: Path) -> None:
    body = "@task\ndef say(): logging.warning('hi')\n@flow\ndef main(): say().result()\n"
    assert [each.get("task") for each in logs_of(tmp_path, body)] == ["say-0"]


def test_a_record_of_a_thread_the_user_started_is_the_runs(tmp_path: Path) -> None:
    body = "import threading\n@flow\ndef main():\n"
    body += "    thread = threading.Thread(target=lambda: get_run_logger().info('thread'))\n    thread.start()\n"
    assert [each["message"] for each in logs_of(tmp_path, body)] == ["thread"]


def test_a_slip_in_a_log_call_loses_the_formatting_not_the_run(tmp_path: Path) -> None:
    logs = logs_of(tmp_path, "@flow\ndef main(): get_run_logger().info('%d items', 'three')\n")
    assert "%d items" in logs[0]["message"]
    assert "three" in logs[0]["message"]


def test_the_run_loggers_exception_carries_the_traceback(tmp_path: Path) -> None:
    body = "@flow\ndef main():\n    try:\n        1 / 0\n    except ZeroDivisionError:\n"
    logs = logs_of(tmp_path, body + "        get_run_logger().exception('bad %s', 'luck')\n")
    assert logs[0]["message"].startswith("bad luck\nTraceback")


def test_a_users_own_logging_py_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "logging.py").write_text("def shout(text): return text.upper()\n")
    body = "@flow\ndef main():\n    get_run_logger().info(logging.shout('mine'))\n"
    assert [each["message"] for each in logs_of(tmp_path, body)] == ["MINE"]
