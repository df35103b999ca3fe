"""A faithful local APIG on loopback: another programme, that reads the contract itself.

``Sandbox`` serves a world over HTTP; ``fill`` makes one from a manifest's rows;
``oracle`` tells the truth about a world file. ``Service`` is all of it but the HTTP:
pure, so that a simulator can use it without a socket, an event loop or a clock.
"""

from bulkbind.sandbox import oracle
from bulkbind.sandbox.account import Account
from bulkbind.sandbox.accountfile import parse_account
from bulkbind.sandbox.acts import Seen, Stage, change_seen, read_seen
from bulkbind.sandbox.answers import Answer, Effect, Rules
from bulkbind.sandbox.counters import Counters, Entry
from bulkbind.sandbox.faults import Fault, Turn, decide, make_plan
from bulkbind.sandbox.memory import MemoryWorld
from bulkbind.sandbox.options import Clock, SandboxOptions
from bulkbind.sandbox.scenarios import SCENARIOS, parse_weather
from bulkbind.sandbox.seed import fill
from bulkbind.sandbox.server import Sandbox
from bulkbind.sandbox.service import Request, Service, Visit
from bulkbind.sandbox.sqlite import SqliteWorld
from bulkbind.sandbox.weather import Ceiling, Outage, Slow, Weather, Where

__all__ = [
    "SCENARIOS",
    "Account",
    "Answer",
    "Ceiling",
    "Clock",
    "Counters",
    "Effect",
    "Entry",
    "Fault",
    "MemoryWorld",
    "Outage",
    "Request",
    "Rules",
    "Sandbox",
    "SandboxOptions",
    "Seen",
    "Service",
    "Slow",
    "SqliteWorld",
    "Stage",
    "Turn",
    "Visit",
    "Weather",
    "Where",
    "change_seen",
    "decide",
    "fill",
    "make_plan",
    "oracle",
    "parse_account",
    "parse_weather",
    "read_seen",
]
