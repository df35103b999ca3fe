"""Which rights an operation needs, and whether somebody has them. Pure.

Source: the pages' "Authorization Information" (SEED, DetachApiFromPlugin,
ListApiAttachedPlugins); for the others the name that follows from theirs (inferred).
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from bulkbind.sandbox.account import Grant

#: What a change of bindings needs besides its own action.
_DEPENDENCIES = ("apig:instance:get", "apig:api:get", "apig:plugin:get")

#: By operation: the actions it needs, all of them.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "attach_apis": ("apig:plugin:bindApi", *_DEPENDENCIES),
    "detach_apis": ("apig:plugin:unbindApi", *_DEPENDENCIES),
    "attach_plugins": ("apig:api:bindPlugin", *_DEPENDENCIES),
    "detach_plugins": ("apig:api:unbindPlugin", *_DEPENDENCIES),
    "attached_apis": ("apig:plugin:listBoundApi",),
    "attachable_apis": ("apig:plugin:listBindableApi",),
    "attached_plugins": ("apig:api:listBoundPlugin",),
    "attachable_plugins": ("apig:api:listBindablePlugin",),
    "plugins": ("apig:plugin:list",),
    "plugin": ("apig:plugin:get",),
    "envs": ("apig:env:list",),
    "apis": ("apig:api:list",),
    "api": ("apig:api:get",),
    "api_groups": ("apig:group:list",),
    "instances": ("apig:instance:list",),
    "instance": ("apig:instance:get",),
}

#: The names that role-based policies have for some of them.
ALIASES: Mapping[str, str] = {
    "apig:plugin:bindApi": "apig:apis:bindPlugins",
    "apig:api:bindPlugin": "apig:apis:bindPlugins",
    "apig:plugin:unbindApi": "apig:apis:unbindPlugins",
    "apig:api:unbindPlugin": "apig:apis:unbindPlugins",
    "apig:api:listBoundPlugin": "apig:apis:listBindedPlugins",
    "apig:instance:get": "apig:instances:get",
    "apig:api:get": "apig:apis:get",
    "apig:plugin:get": "apig:plugins:get",
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
