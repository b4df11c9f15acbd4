"""The guard of the embedded Redis: starts it, waits until its last user is gone, and shuts it down cleanly.

Run as a file of its own by an isolated interpreter, with nothing but the standard library: it must cost little, and no
module of a user may stand in its way. It works on the folder of `queues.redis_home`:

1. `guard.lock` is held while this process lives: whoever uses the server looks there whether it has a guard. A second
   guard leaves at once; one that was to start a server starts it for the guard that is there.
2. `server.lock` comes in locked and goes on to the server: it is free when the server has ended, however it ended.
3. `users.lock` is held shared by every user; getting it exclusively means that the last one is gone, killed or not.
4. Before SHUTDOWN the recovery hash says which server ended cleanly, so that the next one opens no recovery window.

Arguments: folder, socket, recovery key, server lock's descriptor (-1: the server runs already), server command …
"""

import fcntl
import os
import signal
import socket
import sys
import time

ANSWER_SECONDS = 10.0
HANDOVER_SECONDS = 2.0


class ServerGoneError(Exception):
    """The server ended by itself: there is nothing left to guard."""


def main(folder: str, socket_path: str, recovery_key: str, server_lock: int, command: list[str]) -> None:
    """Guard one server from its start to its end."""
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # a system that shuts down ends the server, and that ends the guard
    starting = server_lock >= 0
    alone = become_the_guard(folder, patience=HANDOVER_SECONDS if starting else 0.0)
    try:
        if starting:
            start(command, server_lock)
        if not alone:
            return
        wait_for_last_user(folder)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if shut_down(socket_path, recovery_key):
            fcntl.flock(lock_file(folder, "server"), fcntl.LOCK_EX)
            os.unlink(os.path.join(folder, "host"))
    except (ServerGoneError, FileNotFoundError):
        return


def become_the_guard(folder: str, patience: float) -> bool:
    """Take `guard.lock`; a guard whose server was killed lets go of it within moments."""
    guard = lock_file(folder, "guard")
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        else:
            return True


def lock_file(folder: str, name: str) -> int:
    """Open a lock file; the descriptor is not inherited."""
    return os.open(os.path.join(folder, name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def start(command: list[str], server_lock: int) -> None:
    """Start the server as a child that holds the server lock; its end interrupts whatever the guard waits for."""
    os.set_inheritable(server_lock, True)
    child = os.posix_spawn(
        command[0],
        command,
        os.environ,
        setsigdef=[signal.SIGINT, signal.SIGHUP, signal.SIGTERM],
        file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
    )
    os.close(server_lock)

    def ended(*_: object) -> None:
        if os.waitpid(child, os.WNOHANG)[0]:
            raise ServerGoneError

    signal.signal(signal.SIGCHLD, ended)
    ended()


def wait_for_last_user(folder: str) -> None:
    """Return once no user is left; whoever comes next waits until the server is down and starts another."""
    fcntl.flock(lock_file(folder, "users"), fcntl.LOCK_EX)


def shut_down(socket_path: str, recovery_key: str) -> bool:
    """Mark the end as clean and shut the server down; say whether it agreed, and so has all its data on disk.

    One that does not answer or refuses is left to its next user: killing it could lose what it has not written yet.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.settimeout(ANSWER_SECONDS)
            server.connect(socket_path)
            run_id = ask(server, "INFO", "server").partition(b"run_id:")[2].split()[0].decode()
            ask(server, "HSET", recovery_key, "ended_cleanly", run_id)
            return not ask(server, "SHUTDOWN")
    except (OSError, IndexError):
        return False


def ask(server: socket.socket, *words: str) -> bytes:
    """Send one command and read what comes, up to the end of the reply's first chunk."""
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    server.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
    return server.recv(65536)


def detach() -> None:
    """Leave the process that started the guard: the guard outlives it, and it need not wait for the guard."""
    if os.fork():
        os._exit(0)


if __name__ == "__main__":
    detach()
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5:])
