"""What pip and uv say, for people: what is being done, and why it did not work; pure.

A password in an address never gets through, whichever of the two wrote it.
"""

import re
from collections.abc import Sequence

LONGEST_PROGRESS = 160
LONGEST_REASON = 330
MOST_LINES = 200
"""How many lines are kept of an output, the last ones."""

LOGIN = re.compile(r"(://)[^/\s@]*@")
UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e\xa0-\U0010ffff]")
# A marker of pip that begins a line, drawings of uv's errors.
WHERE_FROM = re.compile(r" ?\(from (?:-r \S+ \(line \d+\)|\S+)\)|-r \S+ \(line \d+\) and |-r \S+ \(line \d+\)")
OBJECT = re.compile(r"<\S+ object at 0x\w+>:? ?")
DRAWN = re.compile(r"^[\s×╰─▶>│├╭|]+")

NEWS = (
    (re.compile(r"Collecting (\S+)"), "looking for {}"),
    (re.compile(r"Downloading (\S+) ?(\(.*\))?"), "downloading {} {}"),
    (re.compile(r"Building wheels? for (?:collected packages: )?(.+?)(?: \(.*\).*)?$"), "building {}"),
    (re.compile(r"Building (\S+)$"), "building {}"),
    (re.compile(r"Resolved (\d+ packages?) in"), "{} to install"),
    (re.compile(r"Prepared (\d+ packages?) in"), "installing {}"),
    (re.compile(r"Cloning (\S+)"), "fetching {}"),
)
INSTALLING = re.compile(r"Installing collected packages: (.+)")
PATH_OF_FILE = re.compile(r"^(?:https?|file)://\S*/|^/\S*/")

NOISE = re.compile(
    "^(?:"
    r"note: |hint: See above|\[notice\]|WARNING: |warning: |DEPRECATION: |"
    "Looking in |Collecting |Downloading |Using cached |Requirement already|Processing |Building wheel|Created wheel|"
    "Stored in|Installing |Preparing |Getting requirements|Successfully |Discarding |Running command |Cloning |"
    "Resolving |Resolved |Prepared |Using Python|Filename |The conflict is caused by|To fix this you could|"
    r"\d\. |\[?\d+ lines? of output\]|\[end of output\]|\[stderr\]$|\[stdout\]$|exit code: \d+$"
    ")"
)
WEIGHTY = re.compile(
    r"^(?:ERROR: |error: |[Cc]ause(?:d by)?: |sha256:|\w*(?:Error|Exception)\b|fatal: |Because |And |we can conclude|"
    r"The user requested|\S+ \S+ depends on |\S+ from (?:file|https?):|Expected sha|Got  |No solution)"
)
EMPTY = re.compile(r"error: subprocess-exited-with-error|ERROR: ResolutionImpossible|ERROR: Failed to build ")
NETWORK = re.compile(
    r"connection broken|Failed to connect|Couldn't connect|unable to access|NewConnectionError|ConnectTimeout|"
    r"ReadTimeout|ConnectionError|ConnectionReset|Temporary failure in name resolution|Name or service not known|"
    r"Could not resolve host|dns error|timed out|error sending request|Connection refused|Network is unreachable|"
    r"No route to host|connection closed|(?:50[0234]|429) (?:Server|Client) Error|SSLError|CERTIFICATE_VERIFY_FAILED|"
    r"HTTP status (?:server|client) error \((?:50[0234]|429)|ProxyError",
    re.IGNORECASE,
)
SAID_FIRST = re.compile(r"^(?:ERROR|error|[Cc]ause(?:d by)?): ")
RETRYING = re.compile(r"WARNING: Retrying .* after connection broken by ")
FULL = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Cannot allocate memory|MemoryError"
)


def plain(line: str) -> str:
    """A line without control characters, passwords, and the frames that are drawn around errors."""
    for useless in (UNPRINTABLE, WHERE_FROM, OBJECT, DRAWN):
        line = useless.sub("", line)
    return LOGIN.sub(r"\1***@", line).rstrip()


def progress_of(line: str) -> str | None:
    """What a line says of the work, in a few words; None when it says nothing worth showing."""
    text = plain(line).strip()
    installing = INSTALLING.match(text)
    if installing:
        names = installing.group(1).split(", ")
        return f"installing {len(names)} package{'s'[: len(names) - 1]}: {', '.join(names)}"[:LONGEST_PROGRESS]
    for pattern, words in NEWS:
        found = pattern.match(text)
        if found:
            parts = [PATH_OF_FILE.sub("", part or "") for part in found.groups()]
            return words.format(*parts).strip()[:LONGEST_PROGRESS]
    return None


def reason_of(lines: Sequence[str]) -> str:
    """The lines that tell why an installation failed, in the order in which they were said, in one text."""
    said = list(dict.fromkeys(text for line in lines[-MOST_LINES:] if (text := plain(line).strip())))
    told = [text for text in said if not NOISE.match(text)]
    weighty = [text for text in told if WEIGHTY.match(text) and not EMPTY.match(text)]
    heard = next((text for text in said if NETWORK.search(text)), None)
    if heard is not None and not any(NETWORK.search(text) for text in weighty):
        # pip tells of it in a warning, and then that no version was found.
        weighty = [RETRYING.sub("no connection: ", heard), *weighty]
    chosen = list(dict.fromkeys(weighty)) or told[-4:] or said[-2:]
    return shortened(chosen) or "it said nothing"


def shortened(lines: Sequence[str]) -> str:
    """As many of the lines as fit, the first and the last ones before those between."""
    text = "; ".join(SAID_FIRST.sub("", line).rstrip(".;") for line in lines)
    if len(text) <= LONGEST_REASON:
        return text
    half = (LONGEST_REASON - 3) // 2
    return f"{text[:half].rstrip()} … {text[-half:].lstrip()}"


def may_pass(lines: Sequence[str]) -> bool:
    """Whether it may work at another time or on another machine: the network, not what was asked for."""
    return any(NETWORK.search(line) for line in lines)


def is_full(lines: Sequence[str]) -> bool:
    """Whether this machine had no room for it."""
    return any(FULL.search(line) for line in lines)
