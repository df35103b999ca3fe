"""Finding and listing what the file of a world holds."""

from collections.abc import Sequence

from bulkbind.sandbox.sqlite_file import SqliteFile, json_text
from bulkbind.sandbox.world import (
    Api,
    ApiChoice,
    Bound,
    Env,
    Instance,
    Page,
    Plugin,
    Window,
)

#: Conditions of an ``ApiChoice`` on ``apis a``, whichever list it narrows.
CHOSEN = """
    (:api_id = '' OR a.api_id = :api_id)
    AND (:name = '' OR CASE WHEN :exact THEN 'api_' || a.api_id = :name
                       ELSE instr('api_' || a.api_id, :name) > 0 END)
"""

APIS = f"""
FROM apis a WHERE a.instance_no = :instance AND {CHOSEN}
    AND (:env = 0 OR EXISTS (
        SELECT 1 FROM publications p WHERE p.api_no = a.no AND p.env_no = :env))
"""  # noqa: S608 - fixed text, as below; values are bound

ATTACHABLE = f"""{APIS}
    AND NOT EXISTS (
        SELECT 1 FROM bindings b
        WHERE b.plugin_no = :plugin AND b.env_no = :env AND b.api_no = a.no)
"""  # noqa: S608

ATTACHED = f"""
FROM bindings b CROSS JOIN apis a ON a.no = b.api_no
WHERE b.plugin_no = :plugin AND b.env_no {{env}} AND {CHOSEN}
"""

PUBLISHED = """
SELECT p.api_no, e.no, e.env_id FROM json_each(?) j
CROSS JOIN publications p ON p.api_no = j.value
JOIN envs e ON e.no = p.env_no ORDER BY p.api_no, e.no
"""


#: The slots of an API: every environment of its gateway, every type of plug-in there.
BINDINGS_OF = """
SELECT e.no, e.env_id, g.no, g.plugin_id, g.plugin_type, b.attach_no, b.attached_ns
FROM apis a CROSS JOIN envs e ON e.instance_no = a.instance_no
CROSS JOIN (
    SELECT DISTINCT plugin_type FROM plugins
    WHERE instance_no = (SELECT instance_no FROM apis WHERE no = :api)) t
CROSS JOIN bindings b
    ON b.env_no = e.no AND b.plugin_type = t.plugin_type AND b.api_no = a.no
JOIN plugins g ON g.no = b.plugin_no
WHERE a.no = :api ORDER BY b.env_no, b.plugin_type
"""


class SqliteLists(SqliteFile):
    """The part of an SQLite world that finds and lists."""

    def find_instance(self, instance_id: str) -> Instance | None:
        """Find a gateway."""
        query = "SELECT no, instance_id FROM instances WHERE instance_id = ?"
        row = self._db.execute(query, (instance_id,)).fetchone()
        return Instance(*row) if row else None

    def find_plugin(self, instance: Instance, *, plugin_id: str) -> Plugin | None:
        """Find a plug-in of a gateway."""
        query = """SELECT no, plugin_id, plugin_type FROM plugins
            WHERE instance_no = ? AND plugin_id = ?"""
        row = self._db.execute(query, (instance.no, plugin_id)).fetchone()
        return Plugin(*row) if row else None

    def find_env(self, instance: Instance, *, env_id: str) -> Env | None:
        """Find an environment of a gateway."""
        query = "SELECT no, env_id FROM envs WHERE instance_no = ? AND env_id = ?"
        row = self._db.execute(query, (instance.no, env_id)).fetchone()
        return Env(*row) if row else None

    def find_api(self, instance: Instance, *, api_id: str) -> Api | None:
        """Find an API of a gateway."""
        query = "SELECT no, api_id FROM apis WHERE instance_no = ? AND api_id = ?"
        rows = self._db.execute(query, (instance.no, api_id)).fetchall()
        return self._apis(rows)[0] if rows else None

    def _apis(self, rows: Sequence[tuple[int, str]]) -> list[Api]:
        nos = json_text([no for no, _ in rows])
        envs: dict[int, list[Env]] = {}
        for api_no, env_no, env_id in self._db.execute(PUBLISHED, (nos,)):
            envs.setdefault(api_no, []).append(Env(env_no, env_id))
        return [Api(no, api_id, tuple(envs.get(no, ()))) for no, api_id in rows]

    def instances(self) -> Sequence[Instance]:
        """List the gateways."""
        query = "SELECT no, instance_id FROM instances ORDER BY no"
        return [Instance(*row) for row in self._db.execute(query)]

    def plugins(self, instance: Instance) -> Sequence[Plugin]:
        """List a gateway's plug-ins."""
        query = """SELECT no, plugin_id, plugin_type FROM plugins
            WHERE instance_no = ? ORDER BY no"""
        return [Plugin(*row) for row in self._db.execute(query, (instance.no,))]

    def envs(self, instance: Instance) -> Sequence[Env]:
        """List a gateway's environments."""
        query = "SELECT no, env_id FROM envs WHERE instance_no = ? ORDER BY no"
        return [Env(*row) for row in self._db.execute(query, (instance.no,))]

    def apis(
        self, instance: Instance, *, choice: ApiChoice, window: Window
    ) -> Page[Api]:
        """List a gateway's APIs."""
        return self._page_of_apis(APIS, choice, {"instance": instance.no}, window)

    def attachable_apis(
        self, instance: Instance, *, plugin: Plugin, choice: ApiChoice, window: Window
    ) -> Page[Api]:
        """List the APIs published in ``choice.env`` without this plug-in there."""
        facts = {"instance": instance.no, "plugin": plugin.no}
        return self._page_of_apis(ATTACHABLE, choice, facts, window)

    def _page_of_apis(
        self, source: str, choice: ApiChoice, facts: dict[str, int], window: Window
    ) -> Page[Api]:
        values = _choice_values(choice) | facts | window._asdict()
        (total,) = self._db.execute(f"SELECT count(*) {source}", values).fetchone()
        query = (
            f"SELECT a.no, a.api_id {source}"
            " ORDER BY a.api_id LIMIT :limit OFFSET :offset"
        )
        return Page(total, self._apis(self._db.execute(query, values).fetchall()))

    def attached_apis(
        self, plugin: Plugin, *, choice: ApiChoice, window: Window
    ) -> Page[Bound]:
        """List a plug-in's bindings, by environment, then by API."""
        source = ATTACHED.format(env="= :env" if choice.env else "> :env")
        values = _choice_values(choice) | {"plugin": plugin.no} | window._asdict()
        (total,) = self._db.execute(f"SELECT count(*) {source}", values).fetchone()
        query = f"""SELECT a.no, a.api_id, b.env_no, b.attach_no, b.attached_ns {source}
            ORDER BY b.env_no, b.api_no LIMIT :limit OFFSET :offset"""
        rows = self._db.execute(query, values).fetchall()
        apis = self._apis([(no, api_id) for no, api_id, *_ in rows])
        envs = {no: self._env(no) for no in {row[2] for row in rows}}
        items = [
            Bound(api, envs[env_no], plugin, attach_no, attached_ns)
            for api, (_, _, env_no, attach_no, attached_ns) in zip(
                apis, rows, strict=True
            )
        ]
        return Page(total, items)

    def _env(self, no: int) -> Env:
        query = "SELECT no, env_id FROM envs WHERE no = ?"
        return Env(*self._db.execute(query, (no,)).fetchone())

    def bindings_of(self, api: Api) -> Sequence[Bound]:
        """List an API's bindings, by environment, then by plug-in type."""
        rows = self._db.execute(BINDINGS_OF, {"api": api.no})
        return [
            Bound(api, Env(*row[:2]), Plugin(*row[2:5]), row[5], row[6]) for row in rows
        ]


def _choice_values(choice: ApiChoice) -> dict[str, str | int]:
    return {
        "api_id": choice.api_id,
        "name": choice.name,
        "exact": choice.exact,
        "env": choice.env.no if choice.env else 0,
    }
