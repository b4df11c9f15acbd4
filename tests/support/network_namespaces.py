"""Network namespaces: a process in one can be cut off from a server outside, so that packets vanish without a word.

Everything has the number of this process in its name. A namespace ends with `close`; one that a killed test left behind
is removed by the next test that makes one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache

PREFIX = "hgn"
NOBODY = "02:00:00:00:00:01"


@cache
def why_not() -> str:
    """Why no namespace can be made here; empty when one can."""
    if shutil.which("ip") is None:
        return "the command `ip` is not there"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    name = f"{PREFIX}{os.getpid()}x"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return made.stderr.strip()


class Namespace:
    """One namespace, joined to this one by a pair of virtual interfaces: `inside` and `outside` are their addresses."""

    made = 0

    def __init__(self) -> None:
        sweep()
        Namespace.made += 1
        number = Namespace.made
        self.name = f"{PREFIX}{os.getpid()}n{number}"
        self._veth = f"{PREFIX}{os.getpid()}v{number}"[:15]
        # 198.18.0.0/15 is for tests of networks: nobody has it. One in four addresses of a net of four is ours.
        net = (os.getpid() % 8192) * 16 + number * 4 % 16
        place = f"198.{18 + net // 65536}.{net // 256 % 256}."
        self.outside, self.inside = f"{place}{net % 256 + 1}", f"{place}{net % 256 + 2}"
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        ip("netns", "add", self.name)
        # The other end is made inside at once, under a name of its own there.
        ip("link", "add", self._veth, "type", "veth", "peer", "name", "out", "netns", self.name)
        ip("address", "add", f"{self.outside}/30", "dev", self._veth)
        ip("link", "set", self._veth, "up")
        ip("-n", self.name, "address", "add", f"{self.inside}/30", "dev", "out")
        ip("-n", self.name, "link", "set", "out", "up")
        ip("-n", self.name, "link", "set", "lo", "up")

    def command(self, words: list[str]) -> list[str]:
        """The command line that runs these words inside; it becomes them, so its process id is theirs."""
        return ["ip", "netns", "exec", self.name, *words]

    def cut(self) -> None:
        """Let every packet vanish, in both directions: nobody is told, connections stay open on both sides."""
        # Frames to a card that is not there: works without a packet filter, which many kernels lack.
        ip("neigh", "replace", self.inside, "lladdr", NOBODY, "nud", "permanent", "dev", self._veth)
        ip("-n", self.name, "neigh", "replace", self.outside, "lladdr", NOBODY, "nud", "permanent", "dev", "out")

    def heal(self) -> None:
        """Let packets through again."""
        ip("neigh", "del", self.inside, "dev", self._veth)
        ip("-n", self.name, "neigh", "del", self.outside, "dev", "out")

    def close(self) -> None:
        """Remove the namespace and its interfaces; what still runs inside keeps no network."""
        subprocess.run(["ip", "link", "del", self._veth], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ip(*words: str) -> None:
    """Run `ip WORDS`."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def sweep() -> None:
    """Remove the namespaces of test processes that are no more."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for name in re.findall(rf"^{PREFIX}\d+\w\d*", listed, re.MULTILINE):
        if not os.path.exists(f"/proc/{re.findall(r'[0-9]+', name)[0]}"):
            subprocess.run(["ip", "netns", "del", name], capture_output=True)
