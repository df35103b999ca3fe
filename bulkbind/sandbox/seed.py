"""Making a world in which everything a manifest names exists, but for what shall fail.

Rows stream through: memory holds one chunk of them, the plug-ins, and what was
planted. What fails is chosen by the smallest seeded hashes, so the order of the rows
does not matter.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from bulkbind.model import Row
from bulkbind.sandbox.world import Ground, Planted, PluginSeed, PublishedSlot

#: Types of plug-ins whose rows do not say, in turn on each gateway: two that nobody
#: told apart are not taken for rivals. Source: apig-contract 1.2, plugin_type.
UNTOLD_TYPES = (
    *("cors", "rate_limit", "set_resp_headers", "jwt_auth", "proxy_cache", "breaker"),
    *("kafka_log", "proxy_mirror", "third_auth", "oidc_auth"),
)

#: Rows per transaction: large enough to cost little, small enough to hold.
CHUNK = 20_000


def fill(
    ground: Ground,
    rows: Iterable[Row],
    *,
    missing: int = 0,
    unpublished: int = 0,
    seed: int = 0,
) -> None:
    """Make everything that sound rows name exist and be published.

    Nothing that exists is touched: bindings stay, and so does what was planted by
    an earlier fill with the same parameters. Other parameters put that back and
    choose anew, from everything the world holds.

    Args:
        ground: The world to fill.
        rows: Any number of rows, read once. A row with a fault counts for nothing.
        missing: How many distinct API ids shall not exist at all.
        unpublished: How many (gateway, environment, API) slots shall exist and not
            be published; their APIs are none of the missing.
        seed: Another seed, another choice.
    """
    parameters = f"missing={missing} unpublished={unpublished} seed={seed}"
    if ground.planting() != parameters:
        with ground.atomic():
            ground.unplant()
    _add_rows(ground, rows)
    if ground.planting() != parameters:
        planted = _choose(ground, missing=missing, unpublished=unpublished, seed=seed)
        with ground.atomic():
            ground.plant(planted, parameters=parameters)


def _add_rows(ground: Ground, rows: Iterable[Row]) -> None:
    planted = ground.planted()
    gone = {slot.api_id for slot in planted if slot.kind == "missing"}
    hidden = {slot[1:] for slot in planted}
    types: dict[tuple[str, str], str] = {}
    sound = (row for row in rows if row.fault is None)
    while chunk := list(islice(sound, CHUNK)):
        _note_types(types, chunk)
        slots = dict.fromkeys(
            (row.instance_id, row.env_id, row.api_id) for row in chunk
        )
        kept = [
            PublishedSlot(*slot)
            for slot in slots
            if slot[2] not in gone and slot not in hidden
        ]
        late = [Planted("missing", *slot) for slot in slots if slot[2] in gone]
        with ground.atomic():
            ground.add_slots(kept)
            if late:
                ground.plant(late, parameters=ground.planting())
    with ground.atomic():
        ground.add_plugins(_plugins(types))


def _plugins(types: dict[tuple[str, str], str]) -> Iterator[PluginSeed]:
    """Give a type to plug-ins that have none."""
    untold: Counter[str] = Counter()
    for (instance_id, plugin_id), told in types.items():
        plugin_type = told
        if not told:
            plugin_type = UNTOLD_TYPES[untold[instance_id] % len(UNTOLD_TYPES)]
            untold[instance_id] += 1
        yield PluginSeed(instance_id, plugin_id, plugin_type)


def _note_types(types: dict[tuple[str, str], str], chunk: list[Row]) -> None:
    """Remember each plug-in with the first type that a row gives."""
    for row in chunk:
        key = row.instance_id, row.plugin_id
        if not types.get(key):
            types[key] = row.plugin_type


def _choose(
    ground: Ground, *, missing: int, unpublished: int, seed: int
) -> list[Planted]:
    gone = set(
        _smallest(
            missing, ((slot.api_id,) for slot in ground.published_slots()), seed=seed
        )
        if missing
        else ()
    )
    planted = []
    if gone:
        planted += [
            Planted("missing", *slot)
            for slot in ground.published_slots()
            if (slot.api_id,) in gone
        ]
    if unpublished:
        left = (slot for slot in ground.published_slots() if (slot.api_id,) not in gone)
        offline = _smallest(unpublished, left, seed=seed)
        planted += [Planted("unpublished", *slot) for slot in offline]
    return planted


def _smallest(
    count: int, keys: Iterable[tuple[str, ...]], *, seed: int
) -> Iterator[tuple[str, ...]]:
    """Yield the ``count`` distinct keys with the smallest hashes."""
    heap: list[tuple[int, tuple[str, ...]]] = []
    held: set[tuple[str, ...]] = set()
    for key in keys:
        rank = -_hash(key, seed=seed)
        if key in held or (len(heap) == count and rank < heap[0][0]):
            continue
        held.add(key)
        if len(heap) < count:
            heapq.heappush(heap, (rank, key))
        else:
            held.discard(heapq.heappushpop(heap, (rank, key))[1])
    return (key for _, key in heap)


def _hash(key: tuple[str, ...], *, seed: int) -> int:
    text = "\0".join((str(seed), *key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
