"""JSON Schemas of what bulkbind answers and writes, draft 2020-12.

Minor versions only add: what answers have is open to more keys, and every key that is
listed is there unless it says otherwise.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bulkbind.model import Cause, RunState, Scope, Verdict, Why
from bulkbind.plan import Judged

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_SUM: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_VERSION: Schema = {"type": "string", "pattern": r"^1\.\d+$"}
_TIME: Schema = {"type": "string", "format": "date-time"}


def _one_of(*words: str) -> Schema:
    return {"enum": [str(word) for word in words]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(keys: Mapping[str, Schema], **sometimes: Schema) -> Schema:
    """Return an object's schema.

    Args:
        keys: Those that are always there.
        sometimes: Those that may be missing.
    """
    return {
        "type": "object",
        "properties": {**keys, **sometimes},
        "required": list(keys),
    }


def _each(names: str, kind: Schema) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), kind)


def job() -> Schema:
    """Return the schema of a job file, read as TOML."""
    from bulkbind.settings.schema import job_schema

    return job_schema()


def plan() -> Schema:
    """Return the schema of ``plan --json``: a plan, or why there is none."""
    fault = _object(
        {"file": _TEXT, "line": _COUNT, **_each("column problem remedy", _TEXT)}
    )
    judged = _object({word.value: _COUNT for word in Judged})
    ids = _each("account instance_id plugin_id env_id", _TEXT)
    target = _object(
        {
            **ids,
            **_each("project_id plugin_type", _TEXT),
            **_each("bindings requests", _COUNT),
        },
        judged=judged,
        extra=_COUNT,
    )
    replaced = "api_id replaced_plugin_id replaced_plugin_name"
    drawn = _object(
        {
            "format_version": _VERSION,
            "live": _FLAG,
            "manifest_sha256": _SUM,
            **_each("job rate digest", _TEXT),
            **_each("rows bindings duplicates superseded invalid untyped", _COUNT),
            "canary": _list(_COUNT),
            "canary_check": _list(_TEXT),
            **_each("unresolved accounts gateways requests reads", _COUNT),
            "longest_lane": _COUNT,
            **_each("average_fill eta_seconds", _NUMBER),
            **_each("files warnings", _list(_TEXT)),
            "targets": _list(target),
            "faults": _list(fault),
        },
        judged=judged,
        extra=_COUNT,
        reading_seconds=_NUMBER,
        unread={"type": "object", "additionalProperties": _TEXT},
        replacements=_list(_object({**ids, **_each(replaced, _TEXT)})),
    )
    refused = _object(
        {"format_version": _VERSION, "exit_code": _COUNT, "error": _TEXT},
        fault_count=_COUNT,
        faults=_list(fault),
    )
    return {"oneOf": [drawn, refused]}


def summary() -> Schema:
    """Return the schema of ``summary.json``, and of ``run --json``."""
    import msgspec

    from bulkbind.model import Summary

    return msgspec.json.schema(Summary)


def events() -> Schema:
    """Return the schema of one line of ``events.jsonl``; empty texts are left out."""
    told = _each("code message request_id", _TEXT)
    settled = {
        **_each("lane batch ids named status", _COUNT),
        "gateway": _TEXT,
        "why": _one_of(*Why),
        "scope": _one_of(*Scope),
        "seconds": _NUMBER,
    }
    asked = _each("by asked_at", _TEXT)
    stopped = {"scope": _one_of(*Scope, "run"), "status": _COUNT}
    return {
        "oneOf": [
            _event("run_started", {"command": _TEXT, "invocation": _COUNT}),
            _event("run_ended", {"state": _one_of(*RunState)}, stopped_by=_TEXT),
            _event("request_settled", settled, **told),
            *(_event(name, {"text": _TEXT}, **asked) for name in _CONTROL),
            _event("lane_waited", {"lane": _COUNT, "why": _TEXT, "seconds": _NUMBER}),
            _event(
                "canary_judged",
                _each("lane target step ids failed", _COUNT),
                refused=_TEXT,
            ),
            _event("stopped", stopped, key=_TEXT, cause=_one_of(*Cause), **told),
        ]
    }


#: What people ask of a run at work, and what is wrong with what they ask.
_CONTROL = (
    "run_paused",
    "run_unpaused",
    "run_set",
    "run_stop_asked",
    "control_ignored",
)


def status() -> Schema:
    """Return the schema of ``status --json``."""
    import msgspec

    from bulkbind.control.now import Now
    from bulkbind.state.status import SETTLING

    (now,), parts = msgspec.json.schema_components([Now], ref_template="#/$defs/{name}")
    settled = dict.fromkeys(map(str, SETTLING), _COUNT)
    lane = _object(
        {
            **_each("gateway stopped", _TEXT),
            **_each("batches settled_batches rows", _COUNT),
            **settled,
        }
    )
    told = _object(
        {
            "format_version": _VERSION,
            **_each("run_id job state stopped_by undoes undone_by", _TEXT),
            **_each("rows set_aside requests", _COUNT),
            **settled,
            "at_work": _FLAG,
            "now": {"oneOf": [now, {"type": "null"}]},
            "now_age_seconds": _NUMBER,
            "lanes": _list(lane),
        }
    )
    return {**told, "$defs": parts}


def schedule() -> Schema:
    """Return the schema of ``schedule --json``."""
    return _object(
        {
            "format_version": _VERSION,
            **_each("job zone", _TEXT),
            "files": {"type": "object", "additionalProperties": _TEXT},
            "next": _list(_TIME),
            "clock_changes": _list(_TEXT),
        }
    )


def diff() -> Schema:
    """Return the schema of ``runs diff --json``."""
    ids = "account instance_id env_id plugin_id api_id"
    verdict = _one_of("", *Verdict)
    binding = {**_each(ids, _TEXT), **_each("before after", verdict)}
    counts = _object({}, **_each("added changed gone", _COUNT))
    return _object(
        {
            "format_version": _VERSION,
            **_each("before after", _TEXT),
            "bindings": _list(_object(binding)),
            "counts": counts,
        }
    )


def archive() -> Schema:
    """Return the schema of ``archive.json`` in the file that ``runs archive`` writes."""
    sums = {"type": "object", "additionalProperties": _SUM}
    return _object({"format_version": _VERSION, "run_id": _TEXT, "sha256": sums})


def webhook() -> Schema:
    """Return the schema of what the webhook of ``[notify]`` gets."""
    counts = {"type": "object", "additionalProperties": _COUNT}
    return _object(
        {
            "format_version": _VERSION,
            "event": {"const": "run_ended"},
            **_each("text job run_id state stopped_by error folder", _TEXT),
            **_each("exit_code rows requests", _COUNT),
            **_each("verdicts codes", counts),
            "at": _NUMBER,
        }
    )


def _event(name: str, keys: Mapping[str, Schema], **sometimes: Schema) -> Schema:
    return _object({"at": _TIME, "event": {"const": name}, **keys}, **sometimes)


#: What there is a schema of.
SCHEMAS: dict[str, Callable[[], Schema]] = {
    "job": job,
    "plan": plan,
    "summary": summary,
    "events": events,
    "status": status,
    "schedule": schedule,
    "diff": diff,
    "archive": archive,
    "webhook": webhook,
}
