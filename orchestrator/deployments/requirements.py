"""Requirement lines as pip reads them: which of them may stand in a deployment, and reading them from a file.

They are recorded with the deployment and read on other machines: what means something on one machine alone is refused,
and so is what would show a password to everybody who may look at a deployment.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from orchestrator.errors import InvalidDeployment, shown

FIELD = "flow_runner.requirements"
MOST_LINES = 2000
MOST_BYTES = 160 * 1024
LONGEST_LINE = 64 * 1024
MOST_FILES = 50

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
VERSION = r"(?:===|~=|==|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+"
VERSIONS = rf"{VERSION}(?:\s*,\s*{VERSION})*"
HASHES = r"(?:\s+--hash[=\s](?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}))*"
MARKER = r"(?:\s*;\s*[\w .,<>=!~'\"()+*-]+?)?"
PACKAGE = re.compile(rf"({NAME})\s*(?:\[[^\]]*\])?\s*\(?\s*({VERSIONS})?\s*\)?{MARKER}{HASHES}", re.ASCII)
AT_URL = re.compile(rf"({NAME})\s*(?:\[[^\]]*\])?\s*@\s*(\S+)(?:\s+;\s*[\w .,<>=!~'\"()+*-]+?)?{HASHES}", re.ASCII)
URL = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?[a-z]+://\S+", re.ASCII)
ALLOWED_URL = re.compile(r"(?:https?|file|git\+(?:https|ssh|file))://", re.ASCII)
ARCHIVES = (".whl", ".tar.gz", ".zip")
LOGIN = re.compile(r"://([^/\s@]*)@")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
SECRET_PART = re.compile(r"[?&][^=&\s]*(?:token|passw|secret|key|sig)[^=&\s]*=(?!\$\{)", re.IGNORECASE)

WITH_VALUE = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--only-binary": "--only-binary",
    "--no-binary": "--no-binary",
}
FLAGS = ("--no-index", "--pre", "--require-hashes")
ALLOWED_OPTIONS = "--index-url, --extra-index-url, --find-links, --no-index, --only-binary, --no-binary, --pre, "
ALLOWED_OPTIONS += "--require-hashes and --hash"
OPTION = re.compile(r"(--?[A-Za-z][A-Za-z-]*)(?:[=\s]\s*(\S+))?\s*")
FILE_OPTION = re.compile(r"(?:-r|--requirement)[=\s]?\s*(\S.*)")
INSTEAD = {
    "-e": "name the package with its version, or put its code beside the flow",
    "--editable": "name the package with its version, or put its code beside the flow",
    "-c": "write the versions into the requirements themselves",
    "--constraint": "write the versions into the requirements themselves",
    "-r": "write requirements='FILE': it is read when you deploy",
    "--requirement": "write requirements='FILE': it is read when you deploy",
    "--trusted-host": "set PIP_TRUSTED_HOST in the environment of the agents: it is theirs to trust a host",
}


class Line(NamedTuple):
    """One requirement or option, and where it was read."""

    text: str
    where: str


def lines_of(given: "object", folder: str) -> list[str]:
    """The lines that are recorded, of a list or of a file (relative to `folder`); raises InvalidDeployment."""
    found = list(_from_file(str(given), folder)) if isinstance(given, str) else _from_list(given)
    lines = [checked(line.text, line.where) for line in found]
    if not any(not line.startswith("-") for line in lines):
        raise refused(f"expected requirements to name a package, got {shown(given)}", "leave it out for none")
    size = sum(len(line.encode()) + 1 for line in lines)
    if len(lines) > MOST_LINES or size > MOST_BYTES:
        message = f"expected at most {MOST_LINES} requirements in {MOST_BYTES // 1024} KiB, got {len(lines)} in {size}"
        raise refused(f"{message} bytes", "leave out hashes of platforms that no agent has")
    return lines


def checked(line: str, where: str = "requirements") -> str:
    """A line as it is recorded, its spaces tidied; raises InvalidDeployment with what may stand there instead."""
    text = " ".join(line.split())
    if not text or len(line) > LONGEST_LINE or not line.isprintable():
        raise refused(f"expected a requirement in {where}, got {shown(line)}", "write it as in 'pandas==2.2.3'")
    if "\\" in text or ("#" in text and not re.search(r"\S#", text)):
        raise refused(f"expected one requirement without comments in {where}, got {shown(line)}", "put it in a file")
    if text.startswith("-"):
        return _checked_option(text, where)
    _check_requirement(text, where)
    return text


def variables_of(lines: "list[str] | tuple[str, ...]") -> list[str]:
    """The variables of the agents' environment that lines name as `${NAME}`, which pip and uv put in their place."""
    return list(dict.fromkeys(name for line in lines for name in VARIABLE.findall(line)))


def unpinned(lines: "list[str]") -> list[str]:
    """The packages of which another version may be found tomorrow."""
    found = []
    for line in lines:
        package = PACKAGE.fullmatch(line)
        if package is not None and not re.match(r"===?[^*]+$", (package.group(2) or "").replace(" ", "")):
            found.append(package.group(1))
    return found


def refused(message: str, hint: str) -> InvalidDeployment:
    """The error of the requirements."""
    return InvalidDeployment(f"flow_runner: {message}", field=FIELD, hint=hint)


def _from_list(given: object) -> list[Line]:
    if not isinstance(given, list | tuple) or not all(isinstance(line, str) for line in given):
        hint = "write requirements=['pandas==2.2.3'] or requirements='requirements.txt'"
        raise refused(f"expected requirements to be a list of texts or a file, got {shown(given)}", hint)
    return [Line(text, f"requirements[{number}]") for number, text in enumerate(given)]


def _from_file(name: str, folder: str, seen: tuple[str, ...] = ()) -> Iterator[Line]:
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(name)))
    if path in seen or len(seen) >= MOST_FILES:
        raise refused(f"{os.path.basename(path)} includes itself", "remove the line -r that leads back")
    for line in _joined(_content(path, name), os.path.basename(path)):
        inner = FILE_OPTION.fullmatch(line.text)
        if inner is not None:
            yield from _from_file(inner.group(1), os.path.dirname(path), (*seen, path))
        else:
            yield line


def _content(path: str, name: str) -> str:
    """The text of a requirements file."""
    if path.endswith((".toml", ".lock")):
        hint = "export it: uv export --format requirements-txt -o requirements.txt (poetry and pdm have the like)"
        raise refused(f"expected a file of requirement lines, got {shown(name)}", hint)
    try:
        if not os.path.isfile(path):
            raise FileNotFoundError(2, "there is no such file")
        with open(path, "rb") as file:
            data = file.read(4 * MOST_BYTES + 1)
        if len(data) > 4 * MOST_BYTES:
            raise refused(f"{shown(name)} has more than {4 * MOST_BYTES:,} bytes", "leave out what no agent needs")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise refused(f"{shown(name)} is no UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        hint = "name it relative to the deployment file"
        if PACKAGE.fullmatch(name) and not name.endswith(".txt"):
            hint = f"to name packages write a list: requirements=[{name!r}]"
        message = f"requirements {shown(name)} can not be read: {error.strerror} ({path})"
        raise refused(message, hint) from None


def _joined(text: str, file: str) -> Iterator[Line]:
    """The lines of a file without comments, continued ones joined as pip joins them."""
    held, begun = "", 0
    for number, line in enumerate([*text.splitlines(), ""], 1):
        begun = begun or number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            held += line[:-1] + " "
            continue
        whole = re.sub(r"(^|\s+)#.*$", "", held + line).strip()
        if whole:
            yield Line(whole, f"{file}:{begun}")
        held, begun = "", 0


def _checked_option(text: str, where: str) -> str:
    found = OPTION.fullmatch(text)
    name = str(found.group(1)) if found else re.split("[= ]", text)[0]
    value = found.group(2) if found else None
    if name in FLAGS and found and value is None:
        return name
    if name not in WITH_VALUE or value is None:
        hint = INSTEAD.get(name, f"options are {ALLOWED_OPTIONS}")
        raise refused(f"{where}: the option {_masked(text)} can not stand in requirements", hint)
    option = WITH_VALUE[name]
    if option.endswith(("-url", "-links")):
        _check_address(value, where)
    elif not re.fullmatch(r"(?::all:|:none:|[A-Za-z0-9._,-]+)", value):
        raise refused(f"{where}: expected {option} to name packages, got {shown(value)}", "or write :all:")
    return f"{option} {value}"


def _check_requirement(text: str, where: str) -> None:
    at = AT_URL.fullmatch(text)
    if at is not None:
        _check_address(at.group(2), where)
        return
    if text.endswith(".txt"):
        hint = f"write requirements={text!r} for a file"
        raise refused(f"{where}: expected a requirement, got {shown(text)}", hint)
    if PACKAGE.fullmatch(text) and not text.endswith(ARCHIVES):
        return
    if URL.match(text):
        _check_address(text.split()[0], where)
        hint = "write NAME @ URL: the name says what it is before it is fetched"
        raise refused(f"{where}: expected the name of a package before {_masked(text)}", hint)
    if text.startswith((".", "/", "~")) or text.endswith(ARCHIVES):
        hint = "write NAME @ file:///… for a file that every agent has at this path"
        raise refused(f"{where}: a path alone can not stand in requirements, got {shown(text)}", hint)
    raise refused(f"{where}: expected a requirement, got {_masked(text)}", "write it as in 'pandas==2.2.3'")


def _check_address(address: str, where: str) -> None:
    """An address that every agent can use, without a secret in it."""
    if address.startswith("/"):
        return
    if not ALLOWED_URL.match(address):
        hint = "use https://…, file:///… or an absolute path that every agent has"
        raise refused(f"{where}: expected an address that agents can use, got {_masked(address)}", hint)
    login = LOGIN.search(address)
    user, _, password = (login.group(1) if login else "").partition(":")
    secret = password if address.startswith("git+ssh:") else user + password
    if VARIABLE.sub("", secret) or SECRET_PART.search(address):
        hint = "everybody who sees the deployment would see it: put it into the environment of the agents, as in "
        hint += "https://${PIP_INDEX_USER}:${PIP_INDEX_PASSWORD}@host/simple, or into their netrc file"
        raise refused(f"{where}: {_masked(address)} holds a user name or password", hint)


def _masked(text: str) -> str:
    """A line as it may be shown."""
    return shown(re.sub(r"([?&][^=&\s]+=)[^&\s]*", r"\1***", LOGIN.sub("://***@", text)))
