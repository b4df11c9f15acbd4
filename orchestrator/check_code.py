"""Can a flow be imported from the code that its runs get? Found out in a process of its own, from an unpacked copy."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.bundles.packing import Packed
from orchestrator.bundles.selection import IGNORE_FILE
from orchestrator.bundles.unpacking import unpack
from orchestrator.deploy_file import IMPORT_SECONDS, asked, failed
from orchestrator.errors import InvalidFlowFile

CODE = "import sys; from orchestrator.process.check import main; main(int(sys.argv[1]), *sys.argv[2:])"
ELSEWHERE = ("virtualenv", "condaenv", "python", "requirements")


def unchecked(spec: Mapping[str, Any]) -> str | None:
    """Why a flow can not be imported here, as a sentence; None when it can."""
    name = f"{spec['flow']}/{spec['name']}"
    given = [field for field in ELSEWHERE if spec.get(field)]
    if given:
        return f"{name} was not imported: its runs have another environment ({', '.join(given)})"
    if spec["source"]["kind"] == "git":
        return f"{name} was not imported: its code is that of a commit, which the machines fetch"
    return None


def check(spec: Mapping[str, Any], packed: Packed | None, *, seconds: float = IMPORT_SECONDS) -> None:
    """Import a flow in a clean process, from its bundle unpacked anew or from its path; raises InvalidFlowFile."""
    if packed is None:
        refuse(spec, packed, str(spec["folder"]), seconds)
        return
    with tempfile.TemporaryDirectory(prefix="headgate-check-") as folder:
        unpack(packed.manifest, packed.chunks, Path(folder))
        refuse(spec, packed, folder, seconds)


def refuse(spec: Mapping[str, Any], packed: Packed | None, folder: str, seconds: float) -> None:
    """Raise what the process says of the code in a folder, as if of the folder that it came from."""
    path = f"{folder}/{spec['entry']}"
    answer = asked(path, seconds, CODE, folder, str(spec["function"]))
    if "error" not in answer:
        return
    own = str(spec["folder"])
    told = {
        key: value.replace(folder, own) if isinstance(value, str) else value for key, value in answer["error"].items()
    }
    raise explained(failed(told, f"{own}/{spec['entry']}"), told, packed, own)


def explained(error: InvalidFlowFile, told: Mapping[str, Any], packed: Packed | None, folder: str) -> InvalidFlowFile:
    """The error; when what is missing stands in the folder and is left out of the code, it says so."""
    name = str(told.get("module") or "").replace(".", "/")
    if packed is None or not name:
        return error
    sent = {file.path for file in packed.manifest.files}
    for path in (f"{name}.py", f"{name}/__init__.py"):
        if path not in sent and Path(folder, path).is_file():
            error.hint = f"{path} is in {folder}, and left out of its code: git or {IGNORE_FILE} ignores it"
    return error
