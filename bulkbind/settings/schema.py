"""The JSON Schema of a job file, for editors and for those who generate jobs."""

from typing import Any

from bulkbind.model import ID_COLUMNS
from bulkbind.settings.jobfile import JobFile

_RATE = {"type": "string", "description": "10/s, 60/min, 1000/h, or unlimited"}
_DURATION = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}],
    "description": "seconds, or 90s, 30min, 2h",
}
_SHARE = {
    "anyOf": [{"type": "number", "minimum": 0}, {"type": "string"}],
    "description": "a number of rows, or a share such as 5 %",
}
_DEADLINE = {
    "anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}],
    "description": "seconds, 90s, 30min, 2h, or a time with its zone: 05:30 UTC",
}
_WINDOW = {
    "type": "string",
    "description": "22:00-05:00 Asia/Shanghai, or Mon-Fri 22:00-05:00 Asia/Shanghai",
}
_CANARY = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 8},
    ],
    "description": "true is [1, 10]: ids in the first batches of each target",
}
_TEXTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

#: Keys that are written otherwise than they are kept: "10/s" is two numbers.
_WRITTEN: dict[str, dict[str, Any]] = {
    "rate": _RATE,
    "faults": _TEXTS,
    "max_failed": _SHARE,
    "deadline": _DEADLINE,
    "window": _WINDOW,
    "max_replace": _SHARE,
    **dict.fromkeys(
        (
            "timeout",
            "busy_timeout",
            "probe_wait",
            "second_look",
            "latency",
            "hook_timeout",
        ),
        _DURATION,
    ),
    "live_max_age": _DURATION,
    "canary_timeout": _DURATION,
    "canary": _CANARY,
}

#: Bounds that pydantic leaves as they are where it checks a value first.
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum"}


def job_schema() -> dict[str, Any]:
    """Return the schema of a job file (draft 2020-12).

    Keys and simple bounds are in it; what only the reader can tell (that a rate makes
    sense, that two keys go together) is not.
    """
    schema = JobFile.model_json_schema()
    for kept_otherwise in ("Deadline", "Window"):
        del schema["$defs"][kept_otherwise]
    for section in (schema, *schema["$defs"].values()):
        section["properties"] = {
            key: _WRITTEN.get(key) or _as_written(had)
            for key, had in section["properties"].items()
        }
    for key in ("columns", "defaults"):
        schema["properties"][key]["propertyNames"] = {"enum": list(ID_COLUMNS)}
    accounts = schema["properties"]["accounts"]
    (pattern,) = accounts["patternProperties"]
    accounts["propertyNames"] = {"pattern": pattern}
    return schema


def _as_written(had: dict[str, Any]) -> dict[str, Any]:
    """Return what a key may be: TOML knows no null, a key is left out instead."""
    if "$ref" in had:
        return {"$ref": had["$ref"]}
    made = {_BOUNDS.get(name, name): value for name, value in had.items()}
    made.pop("title", None)
    kinds = [kind for kind in made.pop("anyOf", []) if kind != {"type": "null"}]
    if made.get("default", "") is None:
        del made["default"]
    if len(kinds) == 1:
        return {**made, **kinds[0]}
    return {**made, "anyOf": kinds} if kinds else made
