"""Is it Python text? One sentence for what is not: the compiler's own words for it tell nobody what to do."""

import tokenize
from io import BytesIO

from orchestrator.errors import InvalidFlowFile, shown

LARGEST_FILE = 1024 * 1024
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def python_text(path: str, data: bytes) -> str:
    """The text of a file of at most 1 MB, in UTF-8 or the encoding it declares; raises InvalidFlowFile."""
    if len(data) > LARGEST_FILE:
        raise unfit(path, f"has {len(data):,} bytes, allowed are {LARGEST_FILE:,}", "keep data in other files")
    if data.startswith(UTF_16):
        raise unfit(path, "is UTF-16 text", "save it as UTF-8")
    if b"\0" in data:
        raise unfit(path, "is no text", "name a Python file (….py)")
    if not data.strip():
        raise unfit(path, "is empty", "write a flow and DeploymentSpec(flow=…, name=…) into it")
    try:
        encoding, _ = tokenize.detect_encoding(BytesIO(data).readline)
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte {error.start} is {data[error.start]:#04x}"
        raise unfit(path, f"is not {error.encoding} text: {found}", "save it as UTF-8", line=line) from None
    except SyntaxError as error:
        raise unfit(path, f"can not be decoded: {error.msg}", "save it as UTF-8") from None


def unfit(path: str, what: str, hint: str | None = None, *, line: int | None = None) -> InvalidFlowFile:
    """The error of a file that is not looked into."""
    return InvalidFlowFile(f"{shown(path)} {what}", code="file", hint=hint, file=path, line=line)
