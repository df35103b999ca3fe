"""A weather read from text: ``storm``, or ``lost_after=0.1, http_502=0.05, lag=3s``.

Pure. The text is a list with commas; its items are scenarios, faults with shares, and
conditions with values. A later item overrides an earlier one of the same name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from bulkbind.sandbox.faults import READS, Fault, make_plan
from bulkbind.sandbox.weather import Ceiling, Outage, Slow, Weather, Where

#: Every failure in these is one that a right client gets over.
SCENARIOS: Mapping[str, str] = {
    "none": "",
    # about a third of the attaches failing, in nine ways, three in a row at most
    "storm": (
        "error_after=0.04, http_502_before=0.04, http_503_before=0.04,"
        " busy_before=0.04, too_many=0.03, http_429_seconds=0.02, lost_after=0.05,"
        " cut=0.04, partial_receipt=0.04, longest_run=3"
    ),
    "flaky": (
        "error_before=0.01, error_after=0.01, http_502=0.01, http_503=0.01,"
        " lost_after=0.01, longest_run=3"
    ),
    "lossy": "lost_before=0.05, lost_after=0.15, longest_run=3",
    "throttled": (
        "http_429=0.02, http_429_seconds=0.02, http_429_date=0.02, too_many=0.02,"
        " longest_run=3"
    ),
    "lagging": "lag=3s",
}

#: Names that stand for two faults, half the share each.
PAIRS: Mapping[str, tuple[Fault, Fault]] = {
    base: (Fault(f"{base}_before"), Fault(f"{base}_after"))
    for base in (
        fault.removesuffix("_after") for fault in Fault if fault.endswith("_after")
    )
}

_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")
_RATE = re.compile(r"(\d+)/(\d*)\s*(s|m|min|h)")


def parse_weather(text: str) -> Weather:
    """Read a weather.

    Raises:
        ValueError: A name is unknown, or a value is not what it should be; the
            message says what is known, or what to write.
    """
    shares: dict[Fault, float] = {}
    weather, longest_run = Weather(), 0
    for name, value in _items(text):
        if name == "longest_run":
            longest_run = _whole_number(value, name)
        elif name in _CONDITIONS:
            weather = replace(weather, **_CONDITIONS[name](weather, value))
        else:
            shares |= _shares(name, value)
    changes = {fault: shares[fault] for fault in shares if fault not in READS}
    reads = {fault: shares[fault] for fault in shares if fault in READS}
    return replace(
        weather,
        changes=make_plan(changes, longest_run=longest_run),
        reads=make_plan(reads, longest_run=longest_run),
    )


def _items(text: str) -> list[tuple[str, str]]:
    """Split a text into names and values; a scenario into the items it stands for."""
    found: list[tuple[str, str]] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = (part.strip() for part in item.partition("="))
        if not sign and name in SCENARIOS:
            found += _items(SCENARIOS[name])
        elif not sign:
            raise ValueError(_unknown(name, is_bare=True))
        else:
            found.append((name, value))
    return found


def _shares(name: str, value: str) -> dict[Fault, float]:
    faults = PAIRS.get(name) or tuple(
        fault for fault in Fault if fault == name and fault is not Fault.NONE
    )
    if not faults:
        raise ValueError(_unknown(name, is_bare=False))
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        message = f"{name}={value}: write a share from 0 to 1, such as {name}=0.05"
        raise ValueError(message)
    return dict.fromkeys(faults, share / len(faults))


def _unknown(name: str, *, is_bare: bool) -> str:
    kinds = [*PAIRS, *(fault.value for fault in Fault if fault is not Fault.NONE)]
    conditions = ["longest_run", *_CONDITIONS]
    if is_bare and name in {*kinds, *conditions}:
        return f"{name!r} wants a value: write {name}=…"
    near = get_close_matches(name, [*SCENARIOS, *kinds, *conditions], n=1)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    return (
        f"{name!r} is no fault{guess} Scenarios: {', '.join(SCENARIOS)}."
        f" Faults, with a share: {', '.join(kinds)}."
        f" Conditions, with a value: {', '.join(conditions)}."
    )


# --- conditions -----------------------------------------------------------------------


def _duration(value: str, name: str) -> float:
    match = _DURATION.fullmatch(value)
    if not match or match[2] not in _UNITS:
        message = f"{name}={value}: write a duration, such as {name}=3s"
        raise ValueError(message)
    return float(match[1]) * _UNITS[match[2]]


def _whole_number(value: str, name: str, *, least: int = 0) -> int:
    if not value.isdecimal() or int(value) < least:
        message = f"{name}={value}: write a whole number from {least}"
        raise ValueError(message)
    return int(value)


def _where(text: str, name: str) -> Where:
    """Read what stands after ``@``: a share of the gateways, or one's id."""
    try:
        share = float(text) if text else 1.0
    except ValueError:
        return Where(instance_id=text)
    if 0 <= share <= 1:
        return Where(share)
    message = f"{name}=…@{text}: write a share of the gateways, or the id of one"
    raise ValueError(message)


def _slow(_weather: Weather, value: str) -> dict[str, Any]:
    seconds, _, where = value.partition("@")
    return {"slow": Slow(_duration(seconds, "slow"), _where(where, "slow"))}


def _outage(kind: str) -> Callable[[Weather, str], dict[str, Any]]:
    def read(weather: Weather, value: str) -> dict[str, Any]:
        span, _, where = value.partition("@")
        begin, _, end = span.partition("-")
        outage = Outage(
            kind,  # type: ignore[arg-type] # from the table below
            _duration(begin, kind),
            _duration(end, kind) if end else float("inf"),
            _where(where, kind),
        )
        return {"outages": (*weather.outages, outage)}

    return read


def _drop(name: str, *, is_told: bool) -> Callable[[Weather, str], dict[str, Any]]:
    def read(weather: Weather, value: str) -> dict[str, Any]:
        rate, _, since = value.partition("@")
        match = _RATE.fullmatch(rate.strip())
        if not match or not int(match[1]) or match[2] == "0":
            message = (
                f"{name}={value}: write a rate and a time, such as {name}=33/s@10s"
            )
            raise ValueError(message)
        seconds = int(match[2] or 1) * _UNITS[match[3]]
        since_s = _duration(since, name) if since else 0.0
        ceiling = Ceiling(int(match[1]), seconds, since_s, is_told)
        return {"ceilings": (*weather.ceilings, ceiling)}

    return read


def _seconds(field: str, name: str) -> Callable[[Weather, str], dict[str, Any]]:
    return lambda _, value: {field: _duration(value, name)}


def _page_limit(_weather: Weather, value: str) -> dict[str, Any]:
    return {"page_limit": min(500, _whole_number(value, "page_limit", least=1))}


def _cut_at(_weather: Weather, value: str) -> dict[str, Any]:
    return {"cut_at": _whole_number(value, "cut_at")}


def _counts_refused(_weather: Weather, value: str) -> dict[str, Any]:
    if value not in {"yes", "no"}:
        message = f"counts_refused={value}: write yes or no"
        raise ValueError(message)
    return {"counts_refused": value == "yes"}


def _retry_after(_weather: Weather, value: str) -> dict[str, Any]:
    if value not in {"none", "seconds", "date"}:
        message = f"retry_after={value}: write none, seconds or date"
        raise ValueError(message)
    return {"retry_after": value}


_CONDITIONS: Mapping[str, Callable[[Weather, str], dict[str, Any]]] = {
    "lag": _seconds("lag_s", "lag"),
    "page_limit": _page_limit,
    "jitter": _seconds("jitter_s", "jitter"),
    "slow": _slow,
    "pause": _seconds("pause_s", "pause"),
    "cut_at": _cut_at,
    "away": _outage("away"),
    "locked": _outage("locked"),
    "upgrading": _outage("upgrading"),
    "drop": _drop("drop", is_told=True),
    "hidden_drop": _drop("hidden_drop", is_told=False),
    "counts_refused": _counts_refused,
    "retry_after": _retry_after,
    "token_life": _seconds("token_life_s", "token_life"),
}
