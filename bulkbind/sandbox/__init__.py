"""A faithful local APIG on loopback: another programme, that reads the contract itself.

``Sandbox`` serves a world over HTTP; ``fill`` makes one from a manifest's rows;
``oracle`` tells the truth about a world file. The rules (``state``, ``lists``) are
pure, so that a simulator can use them without any of this.
"""

from bulkbind.sandbox import oracle
from bulkbind.sandbox.answers import Answer, Rules
from bulkbind.sandbox.counters import Counters, Entry
from bulkbind.sandbox.faults import Fault
from bulkbind.sandbox.memory import MemoryWorld
from bulkbind.sandbox.options import Clock, SandboxOptions
from bulkbind.sandbox.seed import fill
from bulkbind.sandbox.server import Sandbox
from bulkbind.sandbox.sqlite import SqliteWorld

__all__ = [
    "Answer",
    "Clock",
    "Counters",
    "Entry",
    "Fault",
    "MemoryWorld",
    "Rules",
    "Sandbox",
    "SandboxOptions",
    "SqliteWorld",
    "fill",
    "oracle",
]
