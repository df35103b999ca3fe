"""Which rights an operation needs, and whether somebody has them. Pure.

Source: "Authorization Information" of the vendor's pages (AttachApiToPlugin,
AttachPluginToApi, DetachApiFromPlugin, ListPluginAttachedApis,
ListPluginAttachableApis, ListApiAttachedPlugins, ListPlugins, ListEnvironmentsV2,
ListApisV2, ListApiGroupsV2). Inferred from their pattern: ``unbindPlugin``,
``listUnbindPlugin``, and what the calls that show one thing or list gateways need.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from bulkbind.sandbox.account import Grant

_GATEWAY, _API, _PLUGIN = (
    "apig:instance:get",
    "apig:api:get",
    "apig:plugin:get",
)

#: By operation: the actions it needs, all of them; its own first.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "attach_apis": ("apig:plugin:bindApi", _GATEWAY, _API, _PLUGIN),
    "detach_apis": ("apig:plugin:unbindApi", _GATEWAY, _API, _PLUGIN),
    "attach_plugins": ("apig:api:bindPlugin", _GATEWAY, _API, _PLUGIN),
    "detach_plugins": ("apig:api:unbindPlugin", _GATEWAY, _API, _PLUGIN),
    "attached_apis": ("apig:plugin:listBoundApi", _GATEWAY, _PLUGIN),
    "attachable_apis": ("apig:plugin:listUnbindApi", _GATEWAY, _PLUGIN),
    "attached_plugins": ("apig:api:listBoundPlugin", _GATEWAY, _API),
    "attachable_plugins": ("apig:api:listUnbindPlugin", _GATEWAY, _API),
    "plugins": ("apig:plugin:list", _GATEWAY),
    "plugin": (_PLUGIN, _GATEWAY),
    "envs": ("apig:environment:list", _GATEWAY),
    "apis": ("apig:api:list", _GATEWAY, "apig:apiGroup:get"),
    "api": (_API, _GATEWAY),
    "api_groups": ("apig:apiGroup:list", _GATEWAY),
    "instances": ("apig:instance:list",),
    "instance": (_GATEWAY,),
}

#: The names that role-based policies have for them.
ALIASES: Mapping[str, str] = {
    "apig:plugin:bindApi": "apig:apis:bindPlugins",
    "apig:api:bindPlugin": "apig:apis:bindPlugins",
    "apig:plugin:unbindApi": "apig:apis:unbindPlugins",
    "apig:api:unbindPlugin": "apig:apis:unbindPlugins",
    "apig:plugin:listBoundApi": "apig:plugins:listBindedApis",
    "apig:plugin:listUnbindApi": "apig:plugins:listUnbindedApis",
    "apig:api:listBoundPlugin": "apig:apis:listBindedPlugins",
    "apig:api:listUnbindPlugin": "apig:apis:listUnbindedPlugins",
    "apig:plugin:list": "apig:plugins:list",
    "apig:environment:list": "apig:envs:list",
    "apig:api:list": "apig:apis:list",
    "apig:apiGroup:list": "apig:groups:list",
    "apig:apiGroup:get": "apig:groups:get",
    "apig:instance:list": "apig:instances:list",
    _GATEWAY: "apig:instances:get",
    _API: "apig:apis:get",
    _PLUGIN: "apig:plugins:get",
}


def may(operation: str, grants: Sequence[Grant], *, tags: Mapping[str, str]) -> bool:
    """Say whether somebody may call an operation.

    Args:
        operation: Of ``routes``.
        grants: What they are allowed.
        tags: Of the gateway that is meant.
    """
    holding = [grant for grant in grants if _holds(grant, tags)]
    return all(
        any(_allows(grant, action) for grant in holding) for action in NEEDS[operation]
    )


def _holds(grant: Grant, tags: Mapping[str, str]) -> bool:
    return all(tags.get(key) == value for key, value in grant.tags.items())


def _allows(grant: Grant, action: str) -> bool:
    names = {action, ALIASES.get(action, action)}
    return any(
        fnmatchcase(name, pattern) for name in names for pattern in grant.actions
    )
