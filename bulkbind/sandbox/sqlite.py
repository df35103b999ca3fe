"""The world in a file: what an answer reports has been committed to it."""

from collections.abc import Mapping, Sequence

from bulkbind.sandbox.sqlite_file import json_text
from bulkbind.sandbox.sqlite_ground import SqliteGround
from bulkbind.sandbox.sqlite_lists import SqliteLists
from bulkbind.sandbox.world import Binding, Env, Instance, Plugin, Slot

SLOTS = """
SELECT a.no, a.api_id, p.env_no IS NOT NULL,
       coalesce(b.plugin_no, 0), coalesce(b.attach_no, 0)
FROM json_each(:ids) j
CROSS JOIN apis a ON a.instance_no = :instance AND a.api_id = j.value
LEFT JOIN publications p ON p.api_no = a.no AND p.env_no = :env
LEFT JOIN bindings b
    ON b.api_no = a.no AND b.env_no = :env AND b.plugin_type = :type
"""


class SqliteWorld(SqliteLists, SqliteGround):
    """A world in an SQLite file, made when it is not there.

    Args:
        path: The file; its folder must exist. ``:memory:`` keeps it to this object.

    Raises:
        StateError: The file cannot be opened, or is not a world.
    """

    def slots(
        self, instance: Instance, *, env: Env, plugin_type: str, api_ids: Sequence[str]
    ) -> Mapping[str, Slot]:
        """Look up the slots of those APIs that exist, by API id."""
        facts = {
            "ids": json_text(api_ids),
            "instance": instance.no,
            "env": env.no,
            "type": plugin_type,
        }
        found: dict[str, Slot] = {}
        for no, api_id, published, plugin_no, attach_no in self._db.execute(
            SLOTS, facts
        ):
            found[api_id] = Slot(no, api_id, bool(published), plugin_no, attach_no)
        return found

    def last_attach_no(self) -> int:
        """Return the number of the newest binding record; 0: none yet."""
        query = "SELECT value FROM meta WHERE key = 'attach_no'"
        row = self._db.execute(query).fetchone()
        return int(row[0]) if row else 0

    def bind(self, plugin: Plugin, *, env: Env, bindings: Sequence[Binding]) -> None:
        """Put the plug-in into the slots of its type, whatever was there."""
        self._db.executemany(
            "INSERT OR REPLACE INTO bindings VALUES (?, ?, ?, ?, ?, ?)",
            [
                (env.no, plugin.plugin_type, api_no, plugin.no, attach_no, at)
                for api_no, attach_no, at in bindings
            ],
        )
        newest = max((binding.attach_no for binding in bindings), default=0)
        self._db.execute(
            """INSERT INTO meta VALUES ('attach_no', ?)
            ON CONFLICT DO UPDATE SET value = max(value, excluded.value)""",
            (newest,),
        )

    def unbind(self, plugin: Plugin, *, env: Env, api_nos: Sequence[int]) -> None:
        """Take the plug-in out of its slots; where it is not, nothing happens."""
        self._db.executemany(
            """DELETE FROM bindings WHERE api_no = ? AND env_no = ?
            AND plugin_type = ? AND plugin_no = ?""",
            [(api_no, env.no, plugin.plugin_type, plugin.no) for api_no in api_nos],
        )
