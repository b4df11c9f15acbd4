"""Which paths a bundle may hold: relative, plain, and each one file on every file system.

A system that ignores case or rewrites accents would put two files into one, or a file where a folder is: such pairs are
refused though ours would tell them apart.
"""

import unicodedata
from collections.abc import Iterable, Iterator

from orchestrator.errors import BadBundle, shown

LONGEST_PATH = 1024
LONGEST_PART = 255
"""Bytes of a path and of one of its parts, as most file systems allow them."""


def flaw(path: str) -> str | None:
    """What is wrong with one path, in words; None when nothing is."""
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "its name is no UTF-8 text"
    if not path:
        return "it is empty"
    if length > LONGEST_PATH:
        return f"it has {length} bytes, allowed are {LONGEST_PATH}"
    if any(unicodedata.category(letter) == "Cc" for letter in path):
        return "it holds a control character"
    if "\\" in path:
        return "it holds a backslash"
    if path.startswith("/"):
        return "it is absolute"
    return part_flaw(path.split("/"))


def part_flaw(parts: list[str]) -> str | None:
    """What is wrong with the parts between the slashes."""
    if "" in parts:
        return "a part of it is empty"
    if "." in parts or ".." in parts:
        return "a part of it is . or .."
    longest = max(len(part.encode()) for part in parts)
    return f"a part of it has {longest} bytes, allowed are {LONGEST_PART}" if longest > LONGEST_PART else None


def check_paths(paths: Iterable[str]) -> None:
    """Raise BadBundle for a path that may not be, and for two that may not be together."""
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        if wrong := flaw(path):
            raise BadBundle(f"the path {shown(path)} can not be in a bundle: {wrong}")
        name = folded(path)
        if name in files:
            raise doubled(files[name], path)
        files[name] = path
        check_folders(path, folders)
    for name, folder in folders.items():
        if name in files:
            raise BadBundle(f"{shown(files[name])} is a file, and {shown(folder)} a folder of other files")


def doubled(one: str, other: str) -> BadBundle:
    """The error of two paths that are one file somewhere."""
    if one == other:
        return BadBundle(f"the path {shown(one)} is there twice")
    return BadBundle(f"{shown(one)} and {shown(other)} differ only by case or accents", hint="rename one of them")


def check_folders(path: str, folders: dict[str, str]) -> None:
    """Note the folders of a path under what systems may take them for; one that is spelt in two ways is refused."""
    for folder in above(path):
        other = folders.setdefault(folded(folder), folder)
        if other != folder:
            message = f"the folders {shown(other)} and {shown(folder)} differ only by case or accents"
            raise BadBundle(message, hint="rename one of them")


def above(path: str) -> Iterator[str]:
    """Every folder that a path is in."""
    at = path.find("/")
    while at >= 0:
        yield path[:at]
        at = path.find("/", at + 1)


def folded(path: str) -> str:
    """What a file system that ignores case or writes accents its own way may take a path for."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
