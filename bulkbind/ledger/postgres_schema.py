"""The tables of the PostgreSQL ledger, version by version, and every statement.

They mean what those of ``schema`` mean, for many runs in one database: every row says
first whose ``run`` it is. Seals and checksums are the same numbers that the SQLite
ledger keeps, so that a plan is copied here as it stands. Texts that came from outside
are bytes here: PostgreSQL takes no NUL in a text.
"""

# ruff: noqa: S608 - every part of these statements stands in this file

#: Written into every database; one of a newer bulkbind is refused.
VERSION = 2

#: "blkb": the first key of our advisory locks.
LOCKS = 0x626C6B62

#: What brings a database from one version to the next; the first makes everything.
MIGRATIONS = (
    """
CREATE TABLE bulkbind.version (number integer NOT NULL, written_by text NOT NULL);
CREATE TABLE bulkbind.run (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE,
    batches bigint NOT NULL DEFAULT 0);
CREATE TABLE bulkbind.lease (
    account text PRIMARY KEY, owner text NOT NULL, epoch bigint NOT NULL,
    expires double precision NOT NULL, renewed double precision NOT NULL);
CREATE TABLE bulkbind.pen (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, holder text NOT NULL,
    written bigint NOT NULL, PRIMARY KEY (run, holder));
CREATE TABLE bulkbind.pin (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, no integer NOT NULL,
    body bytea NOT NULL, PRIMARY KEY (run, no));
CREATE TABLE bulkbind.meta (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, name text NOT NULL,
    value bytea NOT NULL, seal bigint NOT NULL, PRIMARY KEY (run, name));
CREATE TABLE bulkbind.lane (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, no bigint NOT NULL,
    account text NOT NULL, gateway text NOT NULL, seal bigint NOT NULL,
    PRIMARY KEY (run, no));
CREATE TABLE bulkbind.target (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, no bigint NOT NULL,
    account text NOT NULL, project_id text NOT NULL, instance_id text NOT NULL,
    plugin_id text NOT NULL, env_id text NOT NULL, lane bigint NOT NULL,
    plugin_type text NOT NULL, seal bigint NOT NULL, PRIMARY KEY (run, no));
CREATE TABLE bulkbind.batch (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, id bigint NOT NULL,
    target bigint NOT NULL, lane bigint NOT NULL, action text NOT NULL,
    body bytea NOT NULL, crc bigint NOT NULL, PRIMARY KEY (run, id));
CREATE INDEX batch_target ON bulkbind.batch (run, target, id);
CREATE TABLE bulkbind.work (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, batch bigint NOT NULL,
    lane bigint NOT NULL, target bigint NOT NULL, size bigint NOT NULL,
    state bigint NOT NULL, done bigint NOT NULL, unchanged bigint NOT NULL,
    kept bigint NOT NULL, failed bigint NOT NULL, poisoned bigint NOT NULL,
    seal bigint NOT NULL, PRIMARY KEY (run, batch));
CREATE INDEX work_open ON bulkbind.work (run, lane, batch) WHERE state < 2;
CREATE INDEX work_poisoned ON bulkbind.work (run, lane, batch) WHERE poisoned > 0;
CREATE TABLE bulkbind.aside (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, "row" bigint NOT NULL,
    verdict text NOT NULL, text bytea NOT NULL, seal bigint NOT NULL,
    PRIMARY KEY (run, "row"));
CREATE TABLE bulkbind.record (
    id bigint GENERATED ALWAYS AS IDENTITY,
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, batch bigint NOT NULL,
    kind text NOT NULL, why text NOT NULL, body bytea NOT NULL, crc bigint NOT NULL,
    PRIMARY KEY (run, id));
CREATE INDEX record_batch ON bulkbind.record (run, batch, id);
CREATE TABLE bulkbind.stop (
    id bigint GENERATED ALWAYS AS IDENTITY,
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, scope text NOT NULL,
    key text NOT NULL, lifted bigint NOT NULL, body bytea NOT NULL, crc bigint NOT NULL,
    seal bigint NOT NULL, PRIMARY KEY (run, id));
CREATE TABLE bulkbind.invocation (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, no bigint NOT NULL,
    command text NOT NULL, operator text NOT NULL, pid bigint NOT NULL,
    started_at double precision NOT NULL, ended_at double precision,
    state text NOT NULL, stopped_by text NOT NULL, reads bigint NOT NULL,
    seal bigint NOT NULL, PRIMARY KEY (run, no));
""",
    """
CREATE TABLE bulkbind.asked (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, name text NOT NULL,
    body bytea NOT NULL);
CREATE TABLE bulkbind.told (
    run bigint NOT NULL REFERENCES bulkbind.run ON DELETE CASCADE, who text NOT NULL,
    body bytea NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (run, who));
CREATE TABLE bulkbind.hold (job text PRIMARY KEY, body bytea NOT NULL);
""",
)

HAS_SCHEMA = "SELECT to_regclass('bulkbind.version') IS NOT NULL"
GET_VERSION = "SELECT number, written_by FROM bulkbind.version"
SET_VERSION = (
    "WITH gone AS (DELETE FROM bulkbind.version)"
    " INSERT INTO bulkbind.version VALUES (%s, %s)"
)
LOCK_SCHEMA = f"SELECT pg_advisory_xact_lock({LOCKS}, 0)"
LOCK_RUN = f"SELECT pg_advisory_lock({LOCKS}, %s::integer)"
SHARE_RUN = f"SELECT pg_advisory_lock_shared({LOCKS}, %s::integer)"
LOCK_JOB = f"SELECT pg_advisory_lock({LOCKS + 1}, %s::integer)"

#: The server needs a moment to see that a killed process is gone.
SHORTLY = "SET lock_timeout = '1s'"
NO_HURRY = "SET lock_timeout = 0"
GET_JOB_HOLDER = (
    "SELECT COALESCE(host(a.client_addr), 'its own host'), a.backend_start::text"
    " FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'"
    f" AND l.classid = {LOCKS + 1} AND l.objid = %s::oid AND l.granted"
    " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

#: The pen of a writer says which transaction was its last that was kept, and wrote.
#: PostgreSQL's own numbers do not: those that a crash takes back are given again.
DROP_PENS = "DELETE FROM bulkbind.pen WHERE run = %s"
PUT_PEN = "INSERT INTO bulkbind.pen (run, holder, written) VALUES (%s, %s, 0)"
COMMIT = (
    "UPDATE bulkbind.pen SET written = {number} WHERE run = {run}"
    " AND holder = '{holder}' AND pg_current_xact_id_if_assigned() IS NOT NULL; COMMIT"
)
GET_PEN = "SELECT written FROM bulkbind.pen WHERE run = %s AND holder = %s"
DROP_PEN = "DELETE FROM bulkbind.pen WHERE run = %s AND holder = %s"

#: Leases count seconds since 1970 by the server's clock, which all hosts share.
_NOW = "COALESCE(%s::double precision, EXTRACT(EPOCH FROM clock_timestamp())::float8)"
NEW_LEASE = (
    "INSERT INTO bulkbind.lease VALUES (%s, '', 0, 0, 0) ON CONFLICT (account)"
    " DO NOTHING"
)
GET_LEASE = (
    f"SELECT owner, epoch, expires, renewed, {_NOW} FROM bulkbind.lease"
    " WHERE account = %s FOR UPDATE"
)
TAKE_LEASE = (
    "UPDATE bulkbind.lease SET owner = %s, epoch = %s, expires = %s, renewed = %s"
    " WHERE account = %s"
)
RENEW_LEASE = (
    f"UPDATE bulkbind.lease SET renewed = {_NOW}, expires = {_NOW} + %s"
    " WHERE account = %s AND owner = %s AND epoch = %s AND expires > 0 RETURNING epoch"
)
RELEASE_LEASE = (
    f"UPDATE bulkbind.lease SET renewed = {_NOW}, expires = 0"
    " WHERE account = %s AND owner = %s AND epoch = %s"
)
HOLD_EPOCH = "SELECT pg_try_advisory_lock(%s::bigint)"
DROP_EPOCH = "SELECT pg_advisory_unlock(%s::bigint)"
IS_EPOCH_FREE = "SELECT pg_try_advisory_xact_lock(%s::bigint)"

#: The connection of an owner whose time is over, as its last renewal that was kept says.
IS_LEASE_OVER = (
    f"SELECT epoch, expires <= {_NOW} FROM bulkbind.lease WHERE account = %s"
)
CUT_OFF = (
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    " AND objsubid = 1 AND granted AND (classid::bigint << 32) | objid::bigint = %s"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

#: A process that is stopped in the middle of a transaction keeps no row locked.
NEVER_IDLE = "SET idle_in_transaction_session_timeout = {milliseconds}"

#: The board: what hosts tell each other beside the ledgers.
GET_RUNS = "SELECT id FROM bulkbind.run ORDER BY id"
GET_RUNS_OF = (
    "SELECT r.id FROM bulkbind.run r JOIN bulkbind.meta m ON m.run = r.no"
    " WHERE m.name = 'job' AND m.value = %s ORDER BY r.id"
)
ASK = "INSERT INTO bulkbind.asked (run, name, body) VALUES (%s, %s, %s) RETURNING id"
GET_ASKED = "SELECT id, name, body FROM bulkbind.asked WHERE run = %s ORDER BY id"
DROP_ASKED = (
    "DELETE FROM bulkbind.asked WHERE run = %s AND name = ANY(%s)"
    " AND id <= COALESCE(%s::bigint, id)"
)
TELL = (
    "INSERT INTO bulkbind.told VALUES (%s, %s, %s, clock_timestamp()) ON CONFLICT"
    " (run, who) DO UPDATE SET body = excluded.body, at = excluded.at"
)
GET_TOLD = (
    "SELECT body, EXTRACT(EPOCH FROM clock_timestamp() - at)::float8 FROM bulkbind.told"
    " WHERE run = %s ORDER BY who"
)
DROP_TOLD = "DELETE FROM bulkbind.told WHERE run = %s AND who = %s"
DROP_ALL_TOLD = "DELETE FROM bulkbind.told WHERE run = %s"
PUT_HOLD = "INSERT INTO bulkbind.hold VALUES (%s, %s) ON CONFLICT (job) DO NOTHING"
GET_HOLD = "SELECT body FROM bulkbind.hold WHERE job = %s"
DROP_HOLD = "DELETE FROM bulkbind.hold WHERE job = %s"
IS_LOCKED = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted"
    " AND classid = %s::bigint::oid AND objid = %s::bigint::oid AND database ="
    " (SELECT oid FROM pg_database WHERE datname = current_database()))"
)

#: The columns of each table, as they are copied from a SQLite ledger; its ``id`` only
#: says in which order, and is given anew.
COPIED = {
    "meta": ("name", "value", "seal"),
    "lane": ("no", "account", "gateway", "seal"),
    "target": (
        *("no", "account", "project_id", "instance_id", "plugin_id", "env_id"),
        *("lane", "plugin_type", "seal"),
    ),
    "batch": ("id", "target", "lane", "action", "body", "crc"),
    "work": (
        *("batch", "lane", "target", "size", "state"),
        *("done", "unchanged", "kept", "failed", "poisoned", "seal"),
    ),
    "aside": ("row", "verdict", "text", "seal"),
    "record": ("batch", "kind", "why", "body", "crc"),
    "stop": ("scope", "key", "lifted", "body", "crc", "seal"),
    "invocation": (
        *("no", "command", "operator", "pid", "started_at", "ended_at", "state"),
        *("stopped_by", "reads", "seal"),
    ),
}

#: Texts that are kept as bytes.
AS_BYTES = {("meta", "value"), ("aside", "text")}


def names_of(table: str) -> str:
    """Return a table's columns for a statement; one is also a word of SQL."""
    return ", ".join(f'"{name}"' for name in COPIED[table])


def _put(table: str) -> str:
    places = ", ".join(["%s"] * (len(COPIED[table]) + 1))
    return f"INSERT INTO bulkbind.{table} (run, {names_of(table)}) VALUES ({places})"


def _get(table: str, where: str) -> str:
    return f"SELECT {names_of(table)} FROM bulkbind.{table} WHERE run = %s {where}"


PUT_RUN = "INSERT INTO bulkbind.run (id) VALUES (%s) RETURNING no"
GET_RUN = "SELECT no FROM bulkbind.run WHERE id = %s"
COUNT_BATCHES = "UPDATE bulkbind.run SET batches = batches + %s WHERE no = %s"

COUNT_COPIED = (
    "UPDATE bulkbind.run SET batches ="
    " (SELECT COUNT(*) FROM bulkbind.batch WHERE run = %s) WHERE no = %s"
)

PUT_META = (
    f"{_put('meta')} ON CONFLICT (run, name)"
    " DO UPDATE SET value = excluded.value, seal = excluded.seal"
)
PUT_LANE, PUT_TARGET, PUT_BATCH = _put("lane"), _put("target"), _put("batch")
PUT_WORK, PUT_ASIDE, PUT_RECORD = _put("work"), _put("aside"), _put("record")
PUT_STOP, PUT_INVOCATION = _put("stop"), _put("invocation")
PUT_PIN = "INSERT INTO bulkbind.pin (run, no, body) VALUES (%s, %s, %s)"

GET_META = _get("meta", "")
GET_LANES = _get("lane", "ORDER BY no")
GET_TARGETS = _get("target", "ORDER BY no")
GET_LAST_TARGET = "SELECT MAX(target) FROM bulkbind.batch WHERE run = %s"
GET_ASIDES = _get("aside", 'AND "row" > %s ORDER BY "row" LIMIT 5000')
GET_BATCHES = _get("batch", "AND target = %s AND id > %s ORDER BY id LIMIT 64")
GET_OPEN = (
    "SELECT b.id, b.target, b.lane, b.action, b.body, b.crc, w.batch, w.lane, w.target,"
    " w.size, w.state, w.done, w.unchanged, w.kept, w.failed, w.poisoned, w.seal"
    " FROM bulkbind.work w JOIN bulkbind.batch b ON b.run = w.run AND b.id = w.batch"
    " WHERE w.run = %s AND w.lane = %s AND w.state < 2 AND w.batch > %s"
    " ORDER BY w.batch LIMIT %s"
)
GET_RECORDS = _get("record", "AND batch = ANY(%s) ORDER BY id")
GET_LAST_RECORD = _get("record", "AND kind <> 'check' ORDER BY id DESC LIMIT 1")
GET_OPEN_LANES = (
    "SELECT DISTINCT lane FROM bulkbind.work WHERE run = %s AND state < 2 ORDER BY lane"
)
GET_POISONED = (
    "SELECT batch FROM bulkbind.work WHERE run = %s AND lane = %s AND poisoned > 0"
    " ORDER BY batch LIMIT %s"
)
GET_ACTIONS = "SELECT id, action FROM bulkbind.batch WHERE run = %s AND id = ANY(%s)"
GET_WORK = _get("work", "AND batch > %s ORDER BY batch LIMIT 5000")
GET_WORK_OF = _get("work", "AND batch = %s")
GET_WORK_FRESH = _get("work", "AND target = %s AND state = 0")
GET_WORK_FAILED = _get("work", "AND failed > 0")
GET_WORK_ALL = _get("work", "")
SET_WORK = (
    "UPDATE bulkbind.work SET state = %s, done = %s, unchanged = %s, kept = %s,"
    " failed = %s, poisoned = %s, seal = %s WHERE run = %s AND batch = %s"
)
GET_WHY = (
    "SELECT why, COUNT(*) FROM bulkbind.record WHERE run = %s AND kind = 'intent'"
    " GROUP BY why"
)
GET_ASIDE_COUNTS = (
    "SELECT verdict, COUNT(*) FROM bulkbind.aside WHERE run = %s GROUP BY verdict"
)
GET_STOPS = _get("stop", "ORDER BY id")
LIFT_STOP = (
    "UPDATE bulkbind.stop SET lifted = 1, seal = %s WHERE run = %s AND scope = %s"
    " AND key = %s AND crc = %s"
)
DROP_READINGS = "DELETE FROM bulkbind.record WHERE run = %s AND kind = 'reading'"

NEXT_INVOCATION = (
    "SELECT COALESCE(MAX(no), 0) + 1 FROM bulkbind.invocation WHERE run = %s"
)
GET_INVOCATIONS = _get("invocation", "ORDER BY no")
GET_INVOCATION = _get("invocation", "AND no = %s FOR UPDATE")
SET_INVOCATION = (
    "UPDATE bulkbind.invocation SET ended_at = %s, state = %s, stopped_by = %s,"
    " reads = %s, seal = %s WHERE run = %s AND no = %s"
)
GET_READS = (
    "SELECT COALESCE(SUM(reads), 0)::bigint FROM bulkbind.invocation WHERE run = %s"
)
GET_PIN = "SELECT body FROM bulkbind.pin WHERE run = %s AND no = %s"

#: Records of no batch, batches without their work, and batches that are gone.
GET_STRAY = (
    "SELECT batch FROM bulkbind.record r WHERE run = %s AND NOT EXISTS"
    " (SELECT FROM bulkbind.batch b WHERE b.run = r.run AND b.id = r.batch) LIMIT 1"
)
GET_GONE = (
    "SELECT batches - (SELECT COUNT(*) FROM bulkbind.batch b JOIN bulkbind.work w"
    " ON w.run = b.run AND w.batch = b.id WHERE b.run = r.no)"
    " FROM bulkbind.run r WHERE no = %s"
)
