"""What the answers say of one thing: its fields under the vendor's names. Pure.

Source: apig-contract.md 1.2 and 2; OTC and SDK models. What a world does not hold
(methods, paths, times of creation) is the same for all, or made from the id.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bulkbind.sandbox.world import Api, Binding, Bound, Env, Instance, Plugin, Slot

#: When everything in a world was made and published.
CREATED_TIME = "2026-01-01T00:00:00Z"
CREATED_MS = 1_767_225_600_000
REQ_METHOD = "GET"

#: The path segment of ROMA Connect, whose plug-ins may belong to one of its apps.
ROMA = "apic"
ROMA_APPS = 3

#: Spreads the numbers of binding records over all ids; odd, so no two share one.
ATTACH_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835


def attach_id(number: int) -> str:
    """Make the 32 hexadecimal digits that name a binding record."""
    return f"{number * ATTACH_STEP % 2**128:032x}"


def group_id(instance: Instance) -> str:
    """Make the id of the gateway's one API group."""
    return made_id("group", instance.instance_id)


def made_id(*key: str) -> str:
    """Make the 32 hexadecimal digits that follow from a thing's names."""
    return hashlib.blake2b("\0".join(key).encode(), digest_size=16).hexdigest()


def utc_text(now_ns: int) -> str:
    """Write a time as the gateway does: UTC, ``Z``, nine digits of fraction."""
    seconds, fraction = divmod(now_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def plugin_scope(item: Plugin, *, product: str) -> str:
    """Tell whether a plug-in is ``global``, or of one ``app``, as only ROMA's may be.

    Source: apig-contract.md 6 (OAS of both products). Every other id is an app's.
    """
    if product == ROMA and int(made_id("scope", item.plugin_id), 16) % 2:
        return "app"
    return "global"


def _app(item: Plugin, *, product: str) -> Mapping[str, str]:
    """Name the app that a plug-in belongs to; empty fields of a global one.

    Source: OAS of ROMA Connect, PluginInfo.
    """
    if product != ROMA:
        return {}
    if plugin_scope(item, product=product) == "global":
        return {"roma_app_id": "", "roma_app_name": ""}
    number = int(made_id("app", item.plugin_id), 16) % ROMA_APPS
    return {
        "roma_app_id": made_id("app", str(number)),
        "roma_app_name": f"app_{number}",
    }


def receipts(
    plugin: Plugin,
    *,
    product: str,
    env: Env,
    slots: list[Slot],
    bindings: list[Binding],
    now_ns: int,
) -> list[dict[str, Any]]:
    """Show new bindings. Source: SEED PluginApiAttachInfo."""
    shared = {
        "plugin_id": plugin.plugin_id,
        "plugin_name": plugin.name,
        "plugin_type": plugin.plugin_type,
        "plugin_scope": plugin_scope(plugin, product=product),
        "env_id": env.env_id,
        "env_name": env.name,
        "attached_time": utc_text(now_ns),
    }
    return [
        {
            "plugin_attach_id": attach_id(binding.attach_no),
            **shared,
            "api_id": slot.api_id,
            "api_name": f"api_{slot.api_id}",
        }
        for slot, binding in zip(slots, bindings, strict=True)
    ]


def plugin(item: Plugin, *, product: str) -> dict[str, Any]:
    """Show a plug-in. Source: OTC PluginInfo."""
    return {
        "plugin_id": item.plugin_id,
        "plugin_name": item.name,
        "plugin_type": item.plugin_type,
        "plugin_scope": plugin_scope(item, product=product),
        **_app(item, product=product),
        "plugin_content": "{}",
        "remark": "",
        "create_time": CREATED_TIME,
        "update_time": CREATED_TIME,
    }


def attached_plugin(bound: Bound, *, product: str) -> dict[str, Any]:
    """Show a binding of an API. Source: OTC AttachedPluginInfo."""
    return {
        "plugin_attach_id": attach_id(bound.attach_no),
        **plugin(bound.plugin, product=product),
        "env_id": bound.env.env_id,
        "env_name": bound.env.name,
        "attached_time": utc_text(bound.attached_ns),
    }


def plugin_api(instance: Instance, item: Api, *, bound: Bound | None) -> dict[str, Any]:
    """Show an API beside a plug-in; what concerns a binding is empty without one.

    Source: SDK PluginApiInfo; PR-7811 for the empty fields.
    """
    fields = {
        "api_id": item.api_id,
        "api_name": item.name,
        "remark": "",
        "roma_app_id": "",
        "match_mode": "NORMAL",
        "tags": [],
        "env_id": "",
        "env_name": "",
        "publish_id": "",
        "plugin_attach_id": "",
        **_request(instance, item),
    }
    if bound is None:
        return fields
    return fields | {
        "env_id": bound.env.env_id,
        "env_name": bound.env.name,
        "publish_id": publish_id(item, bound.env) if bound.env in item.envs else "",
        "plugin_attach_id": attach_id(bound.attach_no),
        "attached_time": utc_text(bound.attached_ns),
    }


def _request(instance: Instance, item: Api) -> dict[str, Any]:
    return {
        "type": 1,
        "req_protocol": "HTTPS",
        "req_method": REQ_METHOD,
        "req_uri": f"/{item.api_id}",
        "auth_type": "NONE",
        "group_id": group_id(instance),
        "group_name": "DEFAULT",
    }


def publish_id(item: Api, env: Env) -> str:
    """Make the id of a publication record."""
    return made_id("publish", env.env_id, item.api_id)


def api(instance: Instance, item: Api) -> dict[str, Any]:
    """Show an API; where it is published, joined by ``|``. Source: SDK ListApisV2."""
    envs = item.envs
    return {
        "id": item.api_id,
        "name": item.name,
        "status": 1,
        "update_time": CREATED_TIME,
        "register_time": CREATED_TIME,
        **_request(instance, item),
        "run_env_id": "|".join(env.env_id for env in envs),
        "run_env_name": "|".join(env.name for env in envs),
        "publish_id": "|".join(publish_id(item, env) for env in envs),
        "publish_time": "|".join(CREATED_TIME for _ in envs),
    }


def env(item: Env) -> dict[str, Any]:
    """Show an environment. Source: OTC ListEnvironmentsV2."""
    return {
        "id": item.env_id,
        "name": item.name,
        "remark": "",
        "create_time": CREATED_TIME,
    }


def group(instance: Instance) -> dict[str, Any]:
    """Show the gateway's one API group. Source: SDK ListApiGroupsV2."""
    return {
        "id": group_id(instance),
        "name": "DEFAULT",
        "status": 1,
        "is_default": 1,
        "remark": "",
        "register_time": CREATED_TIME,
        "update_time": CREATED_TIME,
    }


def instance(item: Instance, *, project_id: str) -> dict[str, Any]:
    """Show a gateway. Source: OTC ListInstancesV2."""
    return {
        "id": item.instance_id,
        "project_id": project_id,
        "instance_name": item.name,
        "status": "Running",
        "instance_status": 6,
        "type": "apig",
        "spec": "PLATINUM",
        "enterprise_project_id": "0",
        "create_time": CREATED_MS,
    }
