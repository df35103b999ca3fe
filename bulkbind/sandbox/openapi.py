"""What the sandbox serves, described for programmes: OpenAPI 3.0. Pure.

Made from the table of routes, so that no operation can be left out; what is said of
each is the contract's. Source: apig-contract.md 1, 1.1, 1.2, 2, 3; OAS.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bulkbind.model import MAX_API_IDS
from bulkbind.sandbox.routes import CHANGES, PRODUCTS, READS

#: Where it is served, to everybody.
TARGET = "/openapi.json"

_PAGING = ("offset", "limit")
_PLUGIN_QUERY = ("plugin_id", "plugin_name", "plugin_type")
_API_QUERY = ("env_id", "api_name", "api_id", "group_id", "req_method", "req_uri")

#: By operation: what a page lists, and the schema of an item.
_LISTS: Mapping[str, tuple[str, str]] = {
    "attached_apis": ("apis", "PluginApiInfo"),
    "attachable_apis": ("apis", "PluginApiInfo"),
    "attached_plugins": ("plugins", "AttachedPluginInfo"),
    "attachable_plugins": ("plugins", "PluginInfo"),
    "plugins": ("plugins", "PluginInfo"),
    "envs": ("envs", "EnvInfo"),
    "apis": ("apis", "ApiInfo"),
    "api_groups": ("groups", "GroupInfo"),
    "instances": ("instances", "InstanceInfo"),
}
_SINGLE: Mapping[str, str] = {
    "plugin": "PluginInfo",
    "api": "ApiInfo",
    "instance": "InstanceInfo",
}
#: By operation: its parameters, all text; beside those of paging.
_QUERIES: Mapping[str, Sequence[str]] = {
    "attached_apis": (*_API_QUERY, "tags"),
    "attachable_apis": (*_API_QUERY, "tags"),
    "attached_plugins": ("env_id", "env_name", *_PLUGIN_QUERY),
    "attachable_plugins": ("env_id", *_PLUGIN_QUERY),
    "plugins": (*_PLUGIN_QUERY, "plugin_scope", "precise_search"),
    "envs": ("name",),
    "apis": ("id", "name", "group_id", "req_method", "req_uri", "env_id", "tags"),
    "api_groups": ("id", "name", "precise_search"),
    "instances": ("instance_id", "instance_name", "status"),
}
_REQUIRED = {("attachable_apis", "env_id")}


def document() -> dict[str, Any]:
    """Return the whole description, as the object that JSON is made of."""
    paths: dict[str, dict[str, Any]] = {}
    for name, method, path, _ in CHANGES:
        paths.setdefault(path, {})[method.lower()] = _change(name, path)
    for name, path, _ in READS:
        paths.setdefault(path, {})["get"] = _read(name, path)
    return {
        "openapi": "3.0.3",
        "info": {"title": "bulkbind sandbox", "version": "2"},
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}
            },
        },
    }


def _change(name: str, path: str) -> dict[str, Any]:
    ids = "api_ids" if name.endswith("apis") else "plugin_ids"
    is_attach = name.startswith("attach")
    done = _answer("Attached", _ref("Receipts")) if is_attach else _answer("Detached")
    body = {
        "type": "object",
        "required": ["env_id", ids],
        "properties": {
            "env_id": {"type": "string"},
            ids: {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "maxItems": MAX_API_IDS,
            },
        },
    }
    return {
        "operationId": name,
        "parameters": _path_parameters(path),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body}},
        },
        "responses": {"201" if is_attach else "204": done, **_refusals(409)},
    }


def _read(name: str, path: str) -> dict[str, Any]:
    if name in _LISTS:
        key, item = _LISTS[name]
        schema: dict[str, Any] = {
            "type": "object",
            "required": ["size", "total", key],
            "properties": {
                "size": {"type": "integer", "minimum": 0},
                "total": {"type": "integer", "minimum": 0},
                key: {"type": "array", "items": _ref(item)},
            },
        }
    else:
        schema = _ref(_SINGLE[name])
    return {
        "operationId": name,
        "parameters": [*_path_parameters(path), *_query_parameters(name)],
        "responses": {"200": _answer("Read", schema), **_refusals()},
    }


def _path_parameters(path: str) -> list[dict[str, Any]]:
    shapes = {"product": {"type": "string", "enum": list(PRODUCTS)}}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": shapes.get(name, {"type": "string", "minLength": 1}),
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(name: str) -> list[dict[str, Any]]:
    paging = _PAGING if name in _LISTS else ()
    shapes = {one: {"type": "string"} for one in _QUERIES.get(name, ())}
    shapes |= {one: {"type": "integer", "format": "int32"} for one in paging}
    return [
        {
            "name": one,
            "in": "query",
            "required": (name, one) in _REQUIRED,
            "schema": {**shape, "minLength": 1} if (name, one) in _REQUIRED else shape,
        }
        for one, shape in shapes.items()
    ]


def _answer(words: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    if schema is None:
        return {"description": words}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _refusals(*more: int) -> dict[str, Any]:
    statuses = (400, 401, 403, 404, 413, 429, 500, *more)
    return {str(status): _answer("Refused", _ref("Refusal")) for status in statuses}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


# --- what is in the answers -----------------------------------------------------------

_TEXT = {"type": "string"}
_PLUGIN = ("plugin_id", "plugin_name", "plugin_type", "plugin_scope")
_BINDING = ("plugin_attach_id", "env_id", "env_name", "attached_time")
_PLUGIN_INFO = (*_PLUGIN, "plugin_content", "remark", "create_time", "update_time")
_REQUEST = ("req_protocol", "req_method", "req_uri", "auth_type", "group_id")

#: By schema: fields that are text and always there.
_FIELDS: Mapping[str, Sequence[str]] = {
    "Refusal": ("error_code", "error_msg"),
    "Receipt": (*_PLUGIN, *_BINDING, "api_id", "api_name"),
    "PluginInfo": _PLUGIN_INFO,
    "AttachedPluginInfo": (*_PLUGIN_INFO, *_BINDING),
    "PluginApiInfo": (
        *("api_id", "api_name", "env_id", "env_name"),
        *("publish_id", "plugin_attach_id", *_REQUEST),
    ),
    "ApiInfo": ("id", "name", "run_env_id", "run_env_name", "publish_id", *_REQUEST),
    "EnvInfo": ("id", "name", "remark", "create_time"),
    "GroupInfo": ("id", "name", "remark", "register_time", "update_time"),
    "InstanceInfo": ("id", "project_id", "instance_name", "status", "type", "spec"),
}


def _schemas() -> dict[str, Any]:
    schemas = {
        name: {
            "type": "object",
            "required": list(fields),
            "properties": dict.fromkeys(fields, _TEXT),
        }
        for name, fields in _FIELDS.items()
    }
    attached = {"type": "array", "items": _ref("Receipt")}
    return schemas | {
        "Receipts": {
            "type": "object",
            "required": ["attached_plugins"],
            "properties": {"attached_plugins": attached},
        }
    }
