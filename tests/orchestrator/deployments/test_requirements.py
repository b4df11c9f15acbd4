"""Requirement lines: what may be recorded with a deployment, what is refused with which words, and files of them."""

from pathlib import Path

import pytest

from orchestrator.deployments import DeploymentSpec
from orchestrator.deployments.recorded import warnings
from orchestrator.deployments.requirements import FIELD, MOST_BYTES, checked, lines_of, unpinned, variables_of
from orchestrator.errors import InvalidDeployment
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.sdk.flows import flow

HASH = f"--hash=sha256:{'a' * 64}"


@flow
def main() -> None:
    """A flow."""


@pytest.mark.parametrize(
    ("line", "recorded"),
    [
        ("pandas==2.2.3", "pandas==2.2.3"),
        ("  pandas >= 2,  <3 ; python_version < '3.12' ", "pandas >= 2, <3 ; python_version < '3.12'"),
        ("a[b,c]~=1.0", "a[b,c]~=1.0"),
        (f"torch==2.5.1+cpu {HASH}  {HASH}", f"torch==2.5.1+cpu {HASH} {HASH}"),
        ("x @ https://h/x-1-py3-none-any.whl", "x @ https://h/x-1-py3-none-any.whl"),
        ("x @ git+https://h/x@v1#subdirectory=y", "x @ git+https://h/x@v1#subdirectory=y"),
        ("x @ git+ssh://git@h/x.git", "x @ git+ssh://git@h/x.git"),
        ("x @ file:///srv/x-1.whl", "x @ file:///srv/x-1.whl"),
        ("-i https://h/simple", "--index-url https://h/simple"),
        ("--extra-index-url=https://${PIP_U}:${PIP_P}@h/s", "--extra-index-url https://${PIP_U}:${PIP_P}@h/s"),
        ("-f /srv/wheels", "--find-links /srv/wheels"),
        ("--only-binary :all:", "--only-binary :all:"),
        ("--no-binary=numpy,scipy", "--no-binary numpy,scipy"),
        ("--no-index", "--no-index"),
        ("--pre", "--pre"),
        ("--require-hashes", "--require-hashes"),
    ],
)
def test_what_means_the_same_on_every_machine_is_recorded(line: str, recorded: str) -> None:
    assert checked(line) == recorded == checked(recorded)


@pytest.mark.parametrize(
    ("line", "said", "hint"),
    [
        ("", "expected a requirement", "pandas==2.2.3"),
        ("a\nb", "expected a requirement", "pandas==2.2.3"),
        ("a b", "expected a requirement", "pandas==2.2.3"),
        ("a==1 --global-option=x", "expected a requirement", "pandas==2.2.3"),
        ("a; $(touch x)", "expected a requirement", "pandas==2.2.3"),
        ("a # why", "without comments", "put it in a file"),
        ("a \\", "without comments", "put it in a file"),
        ("requirements.txt", "expected a requirement", "requirements='requirements.txt'"),
        ("./lib", "a path alone", "file:///"),
        ("x-1.whl", "a path alone", "file:///"),
        ("https://h/x.whl", "expected the name of a package before", "NAME @ URL"),
        ("x @ ../lib", "an address that agents can use", "absolute path"),
        ("x @ ftp://h/x", "an address that agents can use", "absolute path"),
        ("--find-links wheels", "an address that agents can use", "absolute path"),
        ("-e .", "the option '-e .' can not stand", "beside the flow"),
        ("-c versions.txt", "can not stand", "into the requirements themselves"),
        ("-r more.txt", "can not stand", "read when you deploy"),
        ("--trusted-host h", "can not stand", "PIP_TRUSTED_HOST"),
        ("--config-settings a=b", "can not stand", "options are --index-url"),
        ("--target /x", "can not stand", "options are --index-url"),
        ("--hash=sha256:00", "can not stand", "options are --index-url"),
        ("--no-binary ../x", "to name packages", ":all:"),
    ],
)
def test_what_does_not_is_refused_with_what_to_write_instead(line: str, said: str, hint: str) -> None:
    with pytest.raises(InvalidDeployment) as caught:
        checked(line)
    assert said in caught.value.message and hint in str(caught.value.hint) and caught.value.field == FIELD


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://bob:s3cret@h/simple",
        "--index-url https://s3cret@h/simple",
        "--extra-index-url https://${PIP_U}:s3cret@h/s",
        "--find-links https://h/w?token=s3cret",
        "x @ https://bob:s3cret@h/x.whl",
        "x @ git+https://s3cret@h/x.git",
        "x @ git+ssh://git:s3cret@h/x.git",
    ],
)
def test_a_password_is_refused_and_not_repeated(line: str) -> None:
    with pytest.raises(InvalidDeployment, match="holds a user name or password") as caught:
        checked(line)
    assert "s3cret" not in caught.value.message and "${PIP_INDEX_PASSWORD}" in str(caught.value.hint)


def test_variables_of_the_agents_are_named() -> None:
    assert variables_of(["-i https://${PIP_U}:${PIP_P}@h/s", "a @ https://h/${PIP_U}"]) == ["PIP_U", "PIP_P"]


def test_a_file_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text("numpy==2.1.0\n")
    text = f"\ufeff# what it needs\n-r more/base.txt\n\npandas==2.2.3 \\\n    {HASH}\nx==1  # why\n--pre\n"
    (tmp_path / "r.txt").write_text(text)
    assert lines_of("r.txt", str(tmp_path)) == ["numpy==2.1.0", f"pandas==2.2.3 {HASH}", "x==1", "--pre"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.txt", "a==1\n\n-e .\n", "r.txt:3: the option"),
        ("r.txt", "-r r.txt\n", "r.txt includes itself"),
        ("r.txt", "# nothing\n--pre\n", "to name a package"),
        ("r.txt", b"\xff\xfe", "no UTF-8 text"),
        ("r.txt", None, "there is no such file"),
        ("uv.lock", "version = 1\n", "a file of requirement lines"),
        ("r.txt", "abcdefgh==1\n" * 20_000, "at most 2000 requirements"),
        ("r.txt", "x" * (4 * MOST_BYTES + 1), "more than"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_line(
    tmp_path: Path, name: str, text: str | bytes | None, said: str
) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InvalidDeployment, match=said):
        lines_of(name, str(tmp_path))


def test_a_package_given_like_a_file_gets_the_right_hint(tmp_path: Path) -> None:
    with pytest.raises(InvalidDeployment) as caught:
        lines_of("pandas==2.2.3", str(tmp_path))
    assert "requirements=['pandas==2.2.3']" in str(caught.value.hint)


def test_a_deployment_records_the_lines_of_its_file(tmp_path: Path) -> None:
    spec = DeploymentSpec(main, "d", flow_runner=SubprocessFlowRunner(requirements="r.txt"))
    spec.origin.path = str(tmp_path / "deploy.py")
    (tmp_path / "r.txt").write_text("pandas==2.2.3\nnumpy>=2\n")
    lines = ["pandas==2.2.3", "numpy>=2"]
    assert lines_of(spec.flow_runner.requirements, spec.origin.folder) == lines  # type: ignore[union-attr]
    assert unpinned([*lines, "scipy", "x==1.*", "y @ https://h/y.whl"]) == ["numpy", "scipy", "x"]
    assert "leave the version of numpy open" in warnings(spec)[0]


def test_without_requirements_the_record_is_as_it_was() -> None:
    assert "requirements" not in DeploymentSpec(main, "d").to_dict()
    runner = SubprocessFlowRunner(requirements=["pandas==2.2.3"])
    assert DeploymentSpec(main, "d", flow_runner=runner).to_dict()["requirements"] == ["pandas==2.2.3"]
