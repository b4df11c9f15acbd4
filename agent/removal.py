"""Removes a folder with everything below it, whatever a flow has made of it: no link is followed, no depth is too deep.

Folders found inside are moved up to the top before they are looked into, so that nothing recurses and no more than two
descriptors are open. What can not be removed (another user's, a mount) stays and is told by the answer.
"""

import os
from contextlib import suppress
from itertools import count

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(name: str, parent: int) -> bool:
    """Remove `name` in the folder behind the descriptor `parent`; false when something of it is left."""
    try:
        top = os.open(name, FOLDER, dir_fd=parent)
    except FileNotFoundError:
        return True
    except OSError:
        return _remove_other(name, parent)
    try:
        _make_ours(top)
        _empty(top)
    finally:
        os.close(top)
    with suppress(OSError):
        os.rmdir(name, dir_fd=parent)
        return True
    return False


def names_in(folder: int) -> list[str]:
    """The names of all entries of the folder behind a descriptor."""
    return [entry.name for entry in os.scandir(folder)]


def _remove_other(name: str, parent: int) -> bool:
    """Remove what is no folder, a link to one among it; a folder that may not be opened is opened first."""
    with suppress(OSError):
        os.unlink(name, dir_fd=parent)
        return True
    if _is_folder(name, parent):
        with suppress(OSError):
            os.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)
        with suppress(OSError):
            top = os.open(name, FOLDER, dir_fd=parent)
            os.close(top)
            return remove_tree(name, parent)
    return False


def _empty(top: int) -> None:
    """Remove all that is in a folder."""
    numbers = count()
    stuck: set[str] = set()
    while fresh := [entry for entry in names_in(top) if entry not in stuck]:
        for entry in fresh:
            with suppress(OSError):
                _remove_entry(entry, top, numbers)
        stuck |= {entry for entry in fresh if _is_there(entry, top)}


def _remove_entry(entry: str, top: int, numbers: "count[int]") -> None:
    """Remove one entry; the folders in it come up to the top, to be removed in turn."""
    if not _is_folder(entry, top):
        os.unlink(entry, dir_fd=top)
        return
    _open_up(entry, top)
    inner = os.open(entry, FOLDER, dir_fd=top)
    try:
        for name in names_in(inner):
            with suppress(OSError):
                _lift(name, inner, top, numbers)
    finally:
        os.close(inner)
    os.rmdir(entry, dir_fd=top)


def _lift(name: str, inner: int, top: int, numbers: "count[int]") -> None:
    if not _is_folder(name, inner):
        os.unlink(name, dir_fd=inner)
        return
    # A folder that is moved has its entry `..` written anew: it must be writable.
    _open_up(name, inner)
    while _is_there(free := f".{next(numbers)}", top):
        continue
    os.rename(name, free, src_dir_fd=inner, dst_dir_fd=top)


def _open_up(name: str, parent: int) -> None:
    """Give ourselves every right on a folder; one swapped for a link meanwhile is not followed."""
    handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        os.chmod(f"/proc/self/fd/{handle}", 0o700)  # noqa: PTH101 (a descriptor that could not be opened to read)
    finally:
        os.close(handle)


def _make_ours(folder: int) -> None:
    with suppress(OSError):
        os.fchmod(folder, 0o700)


def _is_folder(name: str, parent: int) -> bool:
    with suppress(OSError):
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode & 0o170000 == 0o040000
    return False


def _is_there(name: str, parent: int) -> bool:
    with suppress(OSError):
        os.stat(name, dir_fd=parent, follow_symlinks=False)
        return True
    return False
