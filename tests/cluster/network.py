"""Hosts of their own: network namespaces whose links can be cut.

Each host has two links to where the tests run: ``control`` leads to scheduler and
database, ``gateways`` to the gateways. What is cut is silent: nothing is closed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from typing import NamedTuple

from tests.cluster.machines import Machines

CONTROL, GATEWAYS = "control", "gateways"

#: The second part of addresses, by link; two test runs at once differ in it.
_NETS = {CONTROL: 100 + 2 * (os.getpid() % 70), GATEWAYS: 101 + 2 * (os.getpid() % 70)}


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def centre(link: str) -> str:
    """Return the address by which hosts reach what is here."""
    return f"10.{_NETS[link]}.0.1"


@cache
def why_not() -> str:
    """Return why there can be no hosts; empty: there can."""
    if os.geteuid():
        return "network namespaces are root's"
    if shutil.which("ip") is None:
        return "network namespaces need ip (apt-get install iproute2)"
    name = f"bulkbind{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "del", name)
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted here: {error.stderr.strip()}"
    return ""


class Host(NamedTuple):
    """A network namespace and its links."""

    name: str
    number: int

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command line begins with to run there."""
        return ("ip", "netns", "exec", self.name)

    @property
    def address(self) -> str:
        """Where it is reached from here."""
        return f"10.{_NETS[CONTROL]}.{self.number}.2"

    def cut(self, *links: str) -> None:
        """Let nothing through any more, and tell nobody."""
        for link in links:
            _ip("link", "set", self._end(link), "down")

    def mend(self, *links: str) -> None:
        """Let everything through again."""
        for link in links:
            _ip("link", "set", self._end(link), "up")

    def _end(self, link: str) -> str:
        return f"bb{os.getpid()}{link[0]}{self.number}"

    def make(self) -> None:
        """Make it; ``remove`` takes back what was made, also of half."""
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        for link, net in _NETS.items():
            near, far = self._end(link), f"{link[0]}0"
            peer = ("peer", "name", far, "netns", self.name)
            _ip("link", "add", near, "type", "veth", *peer)
            _ip("addr", "add", f"10.{net}.{self.number}.1/24", "dev", near)
            _ip("link", "set", near, "up")
            place = ("addr", "add", f"10.{net}.{self.number}.2/24", "dev", far)
            _ip("-n", self.name, *place)
            _ip("-n", self.name, "link", "set", far, "up")
            way = ("route", "add", centre(link), "via", f"10.{net}.{self.number}.1")
            _ip("-n", self.name, *way)

    def remove(self) -> None:
        """Take it away, with its links."""
        for link in _NETS:
            with suppress(subprocess.CalledProcessError):
                _ip("link", "del", self._end(link))
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self.name)


@contextmanager
def work_from(hosts: Iterable[Host], crew: Machines) -> Iterator[None]:
    """Let hosts reach the scheduler for a block, with a worker each; all have joined."""
    with _relay(centre(CONTROL), crew.port, "127.0.0.1"):
        for host in hosts:
            crew.add_worker(
                *("--host", host.address),
                inside=host.inside,
                address=f"tcp://{centre(CONTROL)}:{crew.port}",
            )
        crew.wait_for_workers()
        yield


@contextmanager
def network(hosts: int, *, gateways: int) -> Iterator[list[Host]]:
    """Make some hosts for a block.

    Args:
        hosts: How many.
        gateways: A port of 127.0.0.1 here, which they reach at their own 127.0.0.1.
    """
    with ExitStack() as stack:
        for link in _NETS:
            place = (f"{centre(link)}/32", "dev", "lo")
            _ip("addr", "add", *place)
            stack.callback(_ip, "addr", "del", *place)
        stack.enter_context(_relay(centre(GATEWAYS), gateways, "127.0.0.1"))
        made = [Host(f"bulkbind{os.getpid()}-{no}", no) for no in range(1, hosts + 1)]
        for host in made:
            stack.callback(host.remove)
            host.make()
            way = _relay("127.0.0.1", gateways, centre(GATEWAYS), host.inside)
            stack.enter_context(way)
        yield made


@contextmanager
def _relay(
    near: str, port: int, far: str, inside: tuple[str, ...] = ()
) -> Iterator[None]:
    """Pass on what comes to NEAR:PORT to FAR:PORT, in a process of its own."""
    command = [*inside, sys.executable, "-m", "tests.cluster.relay"]
    process = subprocess.Popen(
        [*command, near, str(port), far], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        yield
    finally:
        process.kill()
        process.communicate()
