"""The plan's rules: who wins a slot, what is a repeat, how batches are cut. Pure.

A *slot* is (gateway, environment, API, plug-in type): it holds one plug-in, and
attaching another of the type replaces it silently. Source: APIG, "Binding a Plug-in
to APIs", function description.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

#: The row number of a claim that ``--only`` drops: it may decide a slot, no more.
UNWANTED = -1


class OnConflict(StrEnum):
    """What to do when two plug-ins of one type claim a slot."""

    STOP = "stop"
    FIRST = "first"
    LAST = "last"


class Claim(NamedTuple):
    """One sound row, cut down to what the rules need."""

    row: int
    """Row number in the run, or ``UNWANTED``."""
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


def cut(claims: Iterable[Claim], *, batch_size: int) -> Iterator[list[Claim]]:
    """Cut one target's claims into batches, filled in manifest order."""
    batch: list[Claim] = []
    for claim in claims:
        batch.append(claim)
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch
