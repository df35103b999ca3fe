"""What lists that were asked for say of a credential's rights. Pure."""

from collections.abc import Iterator

from bulkbind.doctor.check import Check, counted, fault, fine, note, warning
from bulkbind.live import ListUnread
from bulkbind.live.lists import APIS, ATTACHED, ENVS, PLUGINS, Need
from bulkbind.model import Reply, Scope

#: Failures that say nothing of what the credential may do.
_PASSING = frozenset({Scope.AMBIGUOUS, Scope.TRANSIENT, Scope.BUSY, Scope.THROTTLE})


def is_gone(unread: ListUnread) -> bool:
    """Tell whether it is the gateway that does not answer, and not a right."""
    return unread.scope is Scope.GATEWAY and not unread.lacks_right


def tally(of: str, heard: list[tuple[Need, ListUnread | None]]) -> Iterator[Check]:
    """Say of each right where it is missing, and on how many gateways it is there."""
    for need in (PLUGINS, ENVS, APIS, ATTACHED):
        results = [unread for wanted, unread in heard if wanted is need]
        refused: dict[str, list[ListUnread]] = {}
        for unread in results:
            if unread is not None:
                code = unread.reply.code if unread.reply else ""
                refused.setdefault(code, []).append(unread)
        for unreads in refused.values():
            yield of_unread("right", of, unreads)
        if granted := results.count(None):
            yield fine("right", of, f"{need.right}, on {counted(granted, 'gateway')}")
    if heard:
        yield note("right", of, "apig:plugin:bindApi is not tried: it would bind")


def of_unread(name: str, of: str, unreads: list[ListUnread]) -> Check:
    """Say of the first list why it cannot be read, and of how many more."""
    first, more = unreads[0], len(unreads) - 1
    found = f"{first.lane.gateway}: {first.text}"
    if more:
        found = f"{found} (so on {counted(more, 'gateway')} more)"
    is_passing = first.scope in _PASSING and not first.lacks_right
    make = warning if is_passing else fault
    return make(name, of, found, first.advice or "try again when the service is well")


def said(reply: Reply) -> str:
    """Write status, code and message of a refusal."""
    code = " ".join(filter(None, (str(reply.status or ""), reply.code)))
    return f"{code}: {reply.message or 'no message'}"
