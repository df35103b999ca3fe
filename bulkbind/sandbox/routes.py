"""The operations a gateway has: paths, and the rule that answers each. Pure.

Source: apig-contract.md sections 1 and 2.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from bulkbind.sandbox import lists, state
from bulkbind.sandbox.answers import Answer
from bulkbind.sandbox.world import World

ChangeRule = Callable[[World, state.Change], Answer]
ReadRule = Callable[[World, lists.Ask], Answer]

#: Path segments: API Gateway's, and ROMA Connect's. Source: apig-contract.md 6.
PRODUCTS = ("apigw", "apic")

INSTANCES = "/v2/{project_id}/{product}/instances"
INSTANCE = INSTANCES + "/{instance_id}"
PLUGIN = INSTANCE + "/plugins/{plugin_id}"
API = INSTANCE + "/apis/{api_id}"

CHANGES: tuple[tuple[str, str, str, ChangeRule], ...] = (
    ("attach_apis", "POST", PLUGIN + "/attach", state.attach_apis),
    ("detach_apis", "PUT", PLUGIN + "/detach", state.detach_apis),
    ("attach_plugins", "POST", API + "/plugins/attach", state.attach_plugins),
    ("detach_plugins", "PUT", API + "/plugins/detach", state.detach_plugins),
)
READS: tuple[tuple[str, str, ReadRule], ...] = (
    ("attached_apis", PLUGIN + "/attached-apis", lists.attached_apis),
    ("attachable_apis", PLUGIN + "/attachable-apis", lists.attachable_apis),
    ("attached_plugins", API + "/attached-plugins", lists.attached_plugins),
    ("attachable_plugins", API + "/attachable-plugins", lists.attachable_plugins),
    ("plugins", INSTANCE + "/plugins", lists.plugins),
    ("plugin", PLUGIN, lists.plugin),
    ("envs", INSTANCE + "/envs", lists.envs),
    ("apis", INSTANCE + "/apis", lists.apis),
    ("api", API, lists.api),
    ("api_groups", INSTANCE + "/api-groups", lists.api_groups),
    ("instances", INSTANCES, lists.instances),
    ("instance", INSTANCE, lists.instance),
)
CHANGE_RULES: Mapping[str, ChangeRule] = {name: rule for name, _, _, rule in CHANGES}
READ_RULES: Mapping[str, ReadRule] = {name: rule for name, _, rule in READS}


class Route(NamedTuple):
    """An operation that a request names, with what its path and query say."""

    name: str
    path: Mapping[str, str]
    """``project_id``, ``product``, ``instance_id``, ``plugin_id``, ``api_id``; as far
    as named."""
    query: Mapping[str, str]
    """Of a parameter given twice, the first value."""

    @property
    def is_change(self) -> bool:
        """Whether it is an attach or a detach."""
        return self.name in CHANGE_RULES

    @property
    def gateway(self) -> str:
        """The instance id; empty for the list of gateways."""
        return self.path.get("instance_id", "")


def _templates() -> dict[tuple[str, int], list[tuple[str, tuple[str, ...]]]]:
    found: dict[tuple[str, int], list[tuple[str, tuple[str, ...]]]] = {}
    rows = [(name, method, path) for name, method, path, _ in CHANGES]
    rows += [(name, "GET", path) for name, path, _ in READS]
    for name, method, path in rows:
        parts = tuple(path.split("/"))
        found.setdefault((method, len(parts)), []).append((name, parts))
    return found


_TEMPLATES = _templates()


def find_route(method: str, target: str) -> Route | None:
    """Find the operation that a request names.

    Args:
        method: As it came.
        target: Path and query as they came, percent-encoded.

    Returns:
        None: no operation of ours.
    """
    path, _, query = target.partition("?")
    parts = path.split("/")
    for name, template in _TEMPLATES.get((method, len(parts)), ()):
        named = _match(template, parts)
        if named is not None:
            pairs = parse_qsl(query, keep_blank_values=True)
            return Route(name, named, dict(reversed(pairs)))
    return None


def _match(template: tuple[str, ...], parts: list[str]) -> dict[str, str] | None:
    named: dict[str, str] = {}
    for wanted, part in zip(template, parts, strict=True):
        if wanted == "{product}" and part not in PRODUCTS:
            return None
        if wanted.startswith("{"):
            if not part:
                return None
            named[wanted[1:-1]] = unquote(part)
        elif wanted != part:
            return None
    return named
