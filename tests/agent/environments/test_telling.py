"""What pip and uv say becomes a few words of progress, or the reason of a failure; as they really said it."""

import pytest

from agent.environments.telling import LONGEST_REASON, is_full, may_pass, plain, progress_of, reason_of

PIP_CONFLICT = """\
Looking in links: /srv/wheels
Processing /srv/wheels/beta-1.0-py3-none-any.whl (from -r /h/environments/0f/requirements.txt (line 3))
ERROR: Cannot install -r /h/requirements.txt (line 3) and alpha==2.0 because these package versions have conflicting \
dependencies.
The conflict is caused by:
    The user requested alpha==2.0
    beta 1.0 depends on alpha==1.0

To fix this you could try to:
1. loosen the range of package versions you've specified
2. remove package versions to allow pip to attempt to solve the dependency conflict
ERROR: ResolutionImpossible: for help visit the documentation
""".splitlines()
PIP_NOT_THERE = """\
Looking in indexes: https://bob:secret@host/simple
ERROR: Could not find a version that satisfies the requirement alpha==3.0 (from versions: 1.0, 2.0)
ERROR: No matching distribution found for alpha==3.0
""".splitlines()
PIP_NO_NETWORK = """\
WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'NewError('<pip.X object at 0x7f>: \
Failed to establish a new connection: [Errno 111] Connection refused')': /simple/alpha/
ERROR: Could not find a version that satisfies the requirement alpha==1 (from versions: none)
ERROR: No matching distribution found for alpha==1
""".splitlines()
PIP_BUILD = """\
Building wheels for collected packages: broken
  Building wheel for broken (pyproject.toml): started
  error: subprocess-exited-with-error
  × Building wheel for broken (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> [6 lines of output]
      running bdist_wheel
      building 'broken' extension
      error: command 'gcc' failed: No such file or directory
      [end of output]
  note: This error originates from a subprocess, and is likely not a problem with pip.
  ERROR: Failed building wheel for broken
Failed to build broken
ERROR: Failed to build installable wheels for some pyproject.toml based projects (broken)
""".splitlines()
UV_CONFLICT = """\
Using Python 3.11.7 environment at: /srv/environments/0f
error: No solution found when resolving dependencies
  cause: Because all versions of beta depend on alpha==1.0 and you require beta, we can conclude that you require it.
         And because you require alpha==2.0, we can conclude that your requirements are unsatisfiable.
""".splitlines()
UV_NO_NETWORK = """\
error: Request failed after 3 retries in 10.6s
  cause: error sending request for url (http://host/simple/alpha/)
  cause: Connection refused (os error 111)
""".splitlines()


@pytest.mark.parametrize(
    ("lines", "reason", "passes"),
    [
        (
            PIP_CONFLICT,
            "Cannot install alpha==2.0 because these package versions have conflicting dependencies; "
            "The user requested alpha==2.0; beta 1.0 depends on alpha==1.0",
            False,
        ),
        (
            PIP_NOT_THERE,
            "Could not find a version that satisfies the requirement alpha==3.0 (from versions: 1.0, 2.0); "
            "No matching distribution found for alpha==3.0",
            False,
        ),
        (
            PIP_NO_NETWORK,
            "no connection: 'NewError('Failed to establish a new connection: [Errno 111] Connection refused')': "
            "/simple/alpha/; Could not find a version that satisfies the requirement alpha==1 (from versions: none); "
            "No matching distribution found for alpha==1",
            True,
        ),
        (PIP_BUILD, "command 'gcc' failed: No such file or directory; Failed building wheel for broken", False),
        (
            UV_CONFLICT,
            "No solution found when resolving dependencies; Because all versions of beta depend on alpha==1.0 and you "
            "require beta, we can conclude that you require it; And because you require alpha==2.0, we can "
            "conclude that your requirements are unsatisfiable",
            False,
        ),
        (
            UV_NO_NETWORK,
            "Request failed after 3 retries in 10.6s; error sending request for url (http://host/simple/alpha/); "
            "Connection refused (os error 111)",
            True,
        ),
        (["something odd", "and its end"], "something odd; and its end", False),
        ([], "it said nothing", False),
    ],
)
def test_the_reason_is_what_tells_and_says_whether_another_try_may_help(
    lines: list[str], reason: str, passes: bool
) -> None:
    assert (reason_of(lines), may_pass(lines)) == (reason, passes)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Collecting pandas==2.2.3 (from -r /x/requirements.txt (line 1))", "looking for pandas==2.2.3"),
        ("  Downloading pandas-2.2.3-cp311.whl (13.1 MB)", "downloading pandas-2.2.3-cp311.whl (13.1 MB)"),
        ("Downloading https://bob:pw@host/x/y-1.whl (1 kB)", "downloading y-1.whl (1 kB)"),
        ("Building wheels for collected packages: broken", "building broken"),
        ("Installing collected packages: pytz, numpy, pandas", "installing 3 packages: pytz, numpy, pandas"),
        ("Resolved 12 packages in 1.20s", "12 packages to install"),
        ("Prepared 12 packages in 3.1s", "installing 12 packages"),
        ("Requirement already satisfied: pip", None),
        ("   ", None),
    ],
)
def test_progress_is_a_few_words(line: str, words: str | None) -> None:
    assert progress_of(line) == words


def test_no_password_and_no_control_character_gets_through() -> None:
    said = "\x1b[31mERROR: https://bob:s3cret@host/simple and http://t0ken@h/x failed\x1b[0m\x07"
    assert plain(said) == "ERROR: https://***@host/simple and http://***@h/x failed"
    assert "secret" not in reason_of(PIP_NOT_THERE) and "s3cret" not in reason_of([said])


def test_a_long_reason_keeps_its_beginning_and_its_end() -> None:
    reason = reason_of(["ERROR: first", *(f"ERROR: {number} {'x' * 50}" for number in range(50)), "ERROR: last"])
    assert len(reason) <= LONGEST_REASON and reason.startswith("first; ") and reason.endswith("; last")


def test_a_full_disk_is_the_machines_fault() -> None:
    assert is_full(["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"])
    assert not is_full(PIP_CONFLICT)
