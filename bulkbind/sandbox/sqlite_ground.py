"""Filling the file of a world, and taking out of it what shall fail."""

from collections.abc import Iterable, Iterator, Sequence

from bulkbind.sandbox.sqlite_file import SqliteFile, json_text
from bulkbind.sandbox.world import Planted, PluginSeed, PublishedSlot

ADD_APIS = """
INSERT OR IGNORE INTO apis (instance_no, api_id)
SELECT :instance, value FROM json_each(:ids)
"""

PUBLISH = """
INSERT OR IGNORE INTO publications
SELECT a.no, :env FROM json_each(:ids) j
CROSS JOIN apis a ON a.instance_no = :instance AND a.api_id = j.value
"""

ALL_PUBLISHED = """
SELECT i.instance_id, e.env_id, a.api_id
FROM apis a JOIN publications p ON p.api_no = a.no
JOIN envs e ON e.no = p.env_no JOIN instances i ON i.no = a.instance_no
"""

FIND_API = """
SELECT a.no FROM instances i
JOIN apis a ON a.instance_no = i.no AND a.api_id = :api_id
WHERE i.instance_id = :instance_id
"""


class SqliteGround(SqliteFile):
    """The part of an SQLite world that is filled."""

    def add_slots(self, slots: Sequence[PublishedSlot]) -> None:
        """Make gateways, environments and APIs exist, published as said."""
        api_ids: dict[tuple[str, str], list[str]] = {}
        for instance_id, env_id, api_id in slots:
            api_ids.setdefault((instance_id, env_id), []).append(api_id)
        for (instance_id, env_id), ids in api_ids.items():
            instance_no, env_no = self._numbers_of(instance_id, env_id)
            facts = {"instance": instance_no, "env": env_no, "ids": json_text(ids)}
            self._db.execute(ADD_APIS, facts)
            self._db.execute(PUBLISH, facts)

    def _numbers_of(self, instance_id: str, env_id: str) -> tuple[int, int]:
        instance_no = self._instance_no(instance_id)
        self._db.execute(
            "INSERT OR IGNORE INTO envs (instance_no, env_id) VALUES (?, ?)",
            (instance_no, env_id),
        )
        query = "SELECT no FROM envs WHERE instance_no = ? AND env_id = ?"
        (env_no,) = self._db.execute(query, (instance_no, env_id)).fetchone()
        return instance_no, env_no

    def _instance_no(self, instance_id: str) -> int:
        self._db.execute(
            "INSERT OR IGNORE INTO instances (instance_id) VALUES (?)", (instance_id,)
        )
        query = "SELECT no FROM instances WHERE instance_id = ?"
        return int(self._db.execute(query, (instance_id,)).fetchone()[0])

    def add_plugins(self, plugins: Iterable[PluginSeed]) -> None:
        """Make plug-ins exist; one that exists keeps its type."""
        instances: dict[str, int] = {}
        for instance_id, plugin_id, plugin_type in plugins:
            if instance_id not in instances:
                instances[instance_id] = self._instance_no(instance_id)
            self._db.execute(
                """INSERT OR IGNORE INTO plugins (instance_no, plugin_id, plugin_type)
                VALUES (?, ?, ?)""",
                (instances[instance_id], plugin_id, plugin_type),
            )

    def kept_weather(self) -> str:
        """Return the text of the weather that belongs to this world; empty: none."""
        return self._meta("weather")

    def keep_weather(self, text: str) -> None:
        """Give the world a weather; empty: none."""
        with self.atomic():
            self._db.execute(
                "INSERT OR REPLACE INTO meta VALUES ('weather', ?)", (text,)
            )

    def _meta(self, key: str) -> str:
        row = self._db.execute(
            "SELECT value FROM meta WHERE key = ?", (key,)
        ).fetchone()
        return str(row[0]) if row else ""

    def published_slots(self) -> Iterator[PublishedSlot]:
        """Yield every published slot, once each, in no promised order."""
        for row in self._db.execute(ALL_PUBLISHED):
            yield PublishedSlot(*row)

    # --- planting --------------------------------------------------------------------

    def planting(self) -> str:
        """Return the parameters of the choice that was planted; empty: none."""
        return self._meta("planting")

    def planted(self) -> Sequence[Planted]:
        """Return what was planted, in no promised order."""
        query = "SELECT kind, instance_id, env_id, api_id FROM planted"
        return [Planted(*row) for row in self._db.execute(query)]

    def plant(self, planted: Sequence[Planted], *, parameters: str) -> None:
        """Remove APIs or publications, and remember them under ``parameters``."""
        self._db.executemany(
            "INSERT OR IGNORE INTO planted VALUES (?, ?, ?, ?)", planted
        )
        for slot in planted:
            if slot.kind == "missing":
                self._remove_api(slot)
            else:
                self._take_offline(slot)
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES ('planting', ?)", (parameters,)
        )

    def _remove_api(self, slot: Planted) -> None:
        row = self._db.execute(FIND_API, slot._asdict()).fetchone()
        if row:
            self._db.execute("DELETE FROM bindings WHERE api_no = ?", row)
            self._db.execute("DELETE FROM publications WHERE api_no = ?", row)
            self._db.execute("DELETE FROM apis WHERE no = ?", row)

    def _take_offline(self, slot: Planted) -> None:
        query = f"""DELETE FROM publications WHERE api_no = ({FIND_API}) AND env_no =
            (SELECT e.no FROM envs e JOIN instances i ON i.no = e.instance_no
             WHERE i.instance_id = :instance_id AND e.env_id = :env_id)"""  # noqa: S608
        self._db.execute(query, slot._asdict())

    def unplant(self) -> None:
        """Put back all that was planted, and forget the choice."""
        self.add_slots([PublishedSlot(*slot[1:]) for slot in self.planted()])
        self._db.execute("DELETE FROM planted")
        self._db.execute("DELETE FROM meta WHERE key = 'planting'")
