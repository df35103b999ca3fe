"""The plan's rules: who wins a slot, what is a repeat, how batches are cut. Pure.

A *slot* is (gateway, environment, API, plug-in type): it holds one plug-in, and
attaching another of the type replaces it silently. Source: APIG, "Binding a Plug-in
to APIs", function description.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import NamedTuple

from bulkbind.plan.claims import Claims


class OnConflict(StrEnum):
    """What to do when two plug-ins of one type claim a slot."""

    STOP = "stop"
    FIRST = "first"
    LAST = "last"


class Claim(NamedTuple):
    """One sound row, cut down to what the rules need."""

    row: int
    """Row number in the run; negative: ``--only`` drops it, see ``unwanted_row``."""
    place: int
    """Where it came from, file and line in one number; grows with the manifest."""
    target: int
    api_id: str


class Claimant(NamedTuple):
    """What the rules need to know of a target."""

    plugin_id: str
    plugin_type: str
    """Empty: not known."""


class Ruling(NamedTuple):
    """A claim that is set aside, and the claim that decided it."""

    claim: Claim
    winner: Claim


def rule_slots(
    claims: Sequence[Claim],
    claimants: Mapping[int, Claimant],
    *,
    policy: OnConflict,
) -> list[Ruling]:
    """Find the claims that lose their slot to another plug-in of the same type.

    Args:
        claims: All claims of one gateway and environment, in manifest order.
        claimants: Plug-in and type of every target that occurs.
        policy: Which claim wins; ``stop`` names the losers as ``first`` would.

    Returns:
        One ruling for every line of every loser, in manifest order.
    """
    rivals = _rival_targets(claimants)
    if not rivals:
        return []
    contested = [claim for claim in claims if claim.target in rivals]
    winners: dict[tuple[str, str], Claim] = {}
    for claim in contested:
        slot = (claim.api_id, claimants[claim.target].plugin_type)
        if policy is OnConflict.LAST or slot not in winners:
            winners[slot] = claim
    return [
        Ruling(claim, winner)
        for claim in contested
        if _differs(winner := winners[_slot(claim, claimants)], claim, claimants)
    ]


def _slot(claim: Claim, claimants: Mapping[int, Claimant]) -> tuple[str, str]:
    return claim.api_id, claimants[claim.target].plugin_type


def _differs(winner: Claim, claim: Claim, claimants: Mapping[int, Claimant]) -> bool:
    return claimants[winner.target].plugin_id != claimants[claim.target].plugin_id


def _rival_targets(claimants: Mapping[int, Claimant]) -> frozenset[int]:
    """Targets whose plug-in shares its known type with another plug-in."""
    plugins: dict[str, set[str]] = {}
    for claimant in claimants.values():
        if claimant.plugin_type:
            plugins.setdefault(claimant.plugin_type, set()).add(claimant.plugin_id)
    return frozenset(
        target
        for target, claimant in claimants.items()
        if len(plugins.get(claimant.plugin_type, ())) > 1
    )


def rule_repeats(
    claims: Iterable[Claim], claimants: Mapping[int, Claimant]
) -> tuple[list[Claim], list[Ruling]]:
    """Collapse repeats of one binding into the first claim of it.

    Args:
        claims: Wanted claims of one gateway and environment, in manifest order.
        claimants: Plug-in of every target that occurs.

    Returns:
        The claims to keep, and a ruling for each repeat; both in manifest order.
    """
    first: dict[tuple[str, str], Claim] = {}
    kept = []
    repeats = []
    for claim in claims:
        binding = (claim.api_id, claimants[claim.target].plugin_id)
        winner = first.setdefault(binding, claim)
        if winner is claim:
            kept.append(claim)
        else:
            repeats.append(Ruling(claim, winner))
    return kept, repeats


class Verdicts(NamedTuple):
    """What the rules say of the claims of one gateway and environment."""

    kept: dict[int, Claims]
    """Wanted claims that nothing set aside, by target, those of the first row first."""
    lost: list[Ruling]
    """Claims that lose their slot, in manifest order."""
    repeats: list[Ruling]
    """Wanted claims that repeat one that is kept, in manifest order."""


def rule_group(
    group: Mapping[int, Claims],
    claimants: Mapping[int, Claimant],
    *,
    policy: OnConflict,
) -> Verdicts:
    """Rule on slots, then on repeats, of one gateway and environment.

    Most groups have neither; that is seen from whole columns. Only claims that may
    meet are looked at one by one.

    Args:
        group: All claims, by target.
        claimants: Plug-in and type of every target of it.
        policy: As in ``rule_slots``.
    """
    local = {target: claimants[target] for target in group}
    rivals = _rival_targets(local)
    lost = []
    if rivals and _meet([group[target] for target in rivals]):
        lost = rule_slots(one_by_one(group, rivals), local, policy=policy)
    losers = {ruling.claim.row for ruling in lost}
    wanted = {target: _wanted(claims, losers) for target, claims in group.items()}
    kept, repeats = _collapse(wanted, local)
    first = sorted(
        (claims.rows[0], target) for target, claims in kept.items() if claims
    )
    return Verdicts({target: kept[target] for _, target in first}, lost, repeats)


def _meet(columns: Sequence[Claims]) -> bool:
    """Tell whether an id stands on two targets."""
    ids = [set(claims.api_ids) for claims in columns]
    return len(set().union(*ids)) < sum(map(len, ids))


def _wanted(claims: Claims, losers: AbstractSet[int]) -> Claims:
    """Return the claims that are to be sent."""
    rows = claims.rows
    if not losers and min(rows, default=0) >= 0:
        return claims
    return claims.take(
        [at for at, row in enumerate(rows) if row >= 0 and row not in losers]
    )


def _collapse(
    wanted: Mapping[int, Claims], claimants: Mapping[int, Claimant]
) -> tuple[dict[int, Claims], list[Ruling]]:
    """Collapse repeats; targets of one plug-in (of two accounts) repeat each other."""
    plugins: dict[str, list[int]] = {}
    for target in wanted:
        plugins.setdefault(claimants[target].plugin_id, []).append(target)
    kept: dict[int, Claims] = {}
    repeats: list[Ruling] = []
    for targets in plugins.values():
        if len(targets) > 1 and _meet([wanted[target] for target in targets]):
            claims = one_by_one(wanted, targets)
            one_each, more = rule_repeats(claims, claimants)
            kept |= by_target(one_each)
        else:
            more = []
            for target in targets:
                kept[target], some = _once(target, wanted[target])
                more += some
        repeats += more
    repeats.sort()
    return kept, repeats


def _once(target: int, claims: Claims) -> tuple[Claims, list[Ruling]]:
    repeats = claims.repeats()
    if not repeats:
        return claims, []
    rulings = [
        Ruling(_claim(target, claims, at), _claim(target, claims, first))
        for at, first in repeats.items()
    ]
    return claims.take([at for at in range(len(claims)) if at not in repeats]), rulings


def _claim(target: int, claims: Claims, at: int) -> Claim:
    return Claim(claims.rows[at], claims.places[at], target, claims.api_ids[at])


def one_by_one(group: Mapping[int, Claims], targets: Iterable[int]) -> list[Claim]:
    """Return claims of some targets as single ones, in manifest order."""
    claims = [
        Claim(row, place, target, api_id)
        for target in targets
        for row, place, api_id in zip(
            group[target].rows,
            group[target].places,
            group[target].api_ids,
            strict=True,
        )
    ]
    claims.sort(key=lambda claim: _order(claim.row))
    return claims


def by_target(claims: Iterable[Claim]) -> dict[int, Claims]:
    """Return single claims as columns, in their order."""
    found: dict[int, Claims] = {}
    for claim in claims:
        columns = found.setdefault(claim.target, Claims.none())
        columns.append(Claims([claim.row], [claim.place], [claim.api_id]))
    return found


# --- row numbers ----------------------------------------------------------------------

#: Rows that ``--only`` may drop one after another.
_MOST_DROPPED = (1 << 31) - 1


def unwanted_row(rows: int, dropped: int) -> int:
    """Return the number of a row that ``--only`` drops: negative, and in its place.

    Args:
        rows: Wanted rows before it.
        dropped: Rows dropped before it.
    """
    return -1 - (rows << 31 | dropped & _MOST_DROPPED)


def _order(row: int) -> int:
    """Return what sorts row numbers in manifest order, those of dropped rows, too."""
    return row << 31 | _MOST_DROPPED if row >= 0 else -1 - row
