"""Every SQL statement of the SQLite ledger, and what its tables mean.

``batch`` and ``record`` are written once and never changed; ``work`` says where a
batch stands so that a resume need not read them all, and could be made again from
the records.

Every packed body has its CRC-32, with what stands beside it; every other row has its
``seal``, the CRC-32 of its columns, made by the function ``seal`` of the connection
and asked for again by whatever reads the row: its last column says whether it holds.
"""

# ruff: noqa: S608 - every part of these statements stands in this file

#: Written into every ledger; a newer one is refused, an older one is read.
VERSION = 1

#: "blkb": marks a SQLite file as one of ours.
APPLICATION_ID = 0x626C6B62

TABLES = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY, value TEXT NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE lane (
    no INTEGER PRIMARY KEY, account TEXT NOT NULL, gateway TEXT NOT NULL,
    seal INTEGER NOT NULL);
CREATE TABLE target (
    no INTEGER PRIMARY KEY, account TEXT NOT NULL, project_id TEXT NOT NULL,
    instance_id TEXT NOT NULL, plugin_id TEXT NOT NULL, env_id TEXT NOT NULL,
    lane INTEGER NOT NULL, plugin_type TEXT NOT NULL, seal INTEGER NOT NULL);
CREATE TABLE batch (
    id INTEGER PRIMARY KEY, target INTEGER NOT NULL, lane INTEGER NOT NULL,
    action TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX batch_target ON batch (target, id);
CREATE TABLE work (
    batch INTEGER PRIMARY KEY, lane INTEGER NOT NULL, target INTEGER NOT NULL,
    size INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0, unchanged INTEGER NOT NULL DEFAULT 0,
    kept INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    poisoned INTEGER NOT NULL DEFAULT 0, seal INTEGER NOT NULL);
CREATE INDEX work_open ON work (lane, batch) WHERE state < 2;
CREATE INDEX work_poisoned ON work (lane, batch) WHERE poisoned > 0;
CREATE INDEX work_failed ON work (batch) WHERE failed > 0;
CREATE TABLE aside (
    row INTEGER PRIMARY KEY, verdict TEXT NOT NULL, text TEXT NOT NULL,
    seal INTEGER NOT NULL);
CREATE TABLE record (
    id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, kind TEXT NOT NULL,
    why TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX record_batch ON record (batch, id, kind, why);
CREATE TABLE stop (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL,
    lifted INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL, crc INTEGER NOT NULL,
    seal INTEGER NOT NULL);
CREATE TABLE invocation (
    no INTEGER PRIMARY KEY, command TEXT NOT NULL, operator TEXT NOT NULL,
    pid INTEGER NOT NULL, started_at REAL NOT NULL, ended_at REAL,
    state TEXT NOT NULL, stopped_by TEXT NOT NULL DEFAULT '',
    reads INTEGER NOT NULL DEFAULT 0, seal INTEGER NOT NULL);
"""

#: What a seal covers.
SEALED = {
    "meta": ("name", "value"),
    "lane": ("no", "account", "gateway"),
    "target": (
        *("no", "account", "project_id", "instance_id", "plugin_id", "env_id"),
        *("lane", "plugin_type"),
    ),
    "work": (
        *("batch", "lane", "target", "size", "state"),
        *("done", "unchanged", "kept", "failed", "poisoned"),
    ),
    "aside": ("row", "verdict", "text"),
    "stop": ("scope", "key", "lifted", "crc"),
    "invocation": (
        *("no", "command", "operator", "pid", "started_at", "ended_at", "state"),
        *("stopped_by", "reads"),
    ),
}


def _seal(table: str, alias: str = "", **new: str) -> str:
    """Return SQL for the seal of a row, some columns of it given anew."""
    values = (new.get(column, f"{alias}{column}") for column in SEALED[table])
    return f"seal('{table}', {', '.join(values)})"


_NEW_STOP = {"scope": "?1", "key": "?2", "lifted": "0", "crc": "?4"}


def _put(table: str) -> str:
    """Return SQL that inserts all the columns that a seal covers, and the seal."""
    names = SEALED[table]
    values = [f"?{place}" for place in range(1, len(names) + 1)]
    seal = _seal(table, **dict(zip(names, values, strict=True)))
    columns = ", ".join([*names, "seal"])
    return f"INTO {table} ({columns}) VALUES ({', '.join([*values, seal])})"


def _set(table: str, **new: str) -> str:
    """Return SQL that gives a row some columns anew, and its seal."""
    changes = [f"{column} = {value}" for column, value in new.items()]
    return f"{table} SET {', '.join(changes)}, seal = {_seal(table, **new)}"


def _holds(table: str, alias: str = "") -> str:
    """Return SQL that tells whether a row is what was written."""
    return f"{alias}seal = {_seal(table, alias)}"


#: ``work.state``: never sent, sent and not settled, every row has its own answer.
FRESH, STARTED, SETTLED = 0, 1, 2

PUT_META = f"INSERT OR REPLACE {_put('meta')}"
GET_META = f"SELECT name, value, {_holds('meta')} FROM meta"
GET_WRITER = "SELECT value FROM meta WHERE name = 'written_by'"

PUT_LANE = f"INSERT {_put('lane')}"
PUT_TARGET = f"INSERT {_put('target')}"
PUT_BATCH = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)"
PUT_WORK = f"INSERT {_put('work')}"
PUT_ASIDE = f"INSERT {_put('aside')}"

GET_LANES = f"SELECT no, account, gateway, {_holds('lane')} FROM lane ORDER BY no"
GET_TARGETS = (
    "SELECT no, account, project_id, instance_id, plugin_id, env_id, lane, plugin_type,"
    f" {_holds('target')} FROM target ORDER BY no"
)
GET_LAST_TARGET = "SELECT MAX(target) FROM batch"
GET_ASIDES = f"SELECT row, verdict, text, {_holds('aside')} FROM aside ORDER BY row"
GET_BATCHES = (
    "SELECT id, target, lane, action, body, crc FROM batch WHERE target = ? ORDER BY id"
)
GET_OPEN = (
    "SELECT id, b.target, b.lane, action, body, crc,"
    f" {_holds('work', 'w.')} AND b.lane = w.lane"
    " FROM work w JOIN batch b"
    " ON b.id = w.batch WHERE w.lane = ? AND w.state < 2 AND w.batch > ?"
    " ORDER BY w.batch LIMIT ?"
)
GET_RECORDS = (
    "SELECT batch, kind, why, body, crc FROM record WHERE batch = ? ORDER BY id"
)
GET_OPEN_LANES = "SELECT DISTINCT lane FROM work WHERE state < 2 ORDER BY lane"
GET_TALLY = (
    "SELECT w.lane, action, state, COUNT(*), SUM(size), SUM(done), SUM(unchanged),"
    f" SUM(kept), SUM(failed), MIN({_holds('work', 'w.')})"
    " FROM work w LEFT JOIN batch b ON b.id = w.batch GROUP BY w.lane, action, state"
)
GET_WHY = "SELECT why, COUNT(*) FROM record WHERE kind = 'intent' GROUP BY why"
GET_ASIDE_COUNTS = "SELECT verdict, COUNT(*) FROM aside GROUP BY verdict"

PUT_RECORD = "INSERT INTO record (batch, kind, why, body, crc) VALUES (?, ?, ?, ?, ?)"
SET_STARTED = f"UPDATE {_set('work', state='1')} WHERE batch = ? AND state = 0"
SET_POISONED = f"UPDATE {_set('work', poisoned='1')} WHERE batch = ?"
GET_POISONED = (
    "SELECT batch FROM work WHERE lane = ? AND poisoned > 0 ORDER BY batch LIMIT ?"
)
SET_WORK = "UPDATE {} WHERE batch = ?6".format(
    _set("work", state="?1", done="?2", unchanged="?3", kept="?4", failed="?5")
)
FAIL_TARGET = (
    f"UPDATE {_set('work', state='2', failed='size')} WHERE target = ? AND state = 0"
)
PUT_STOP = (
    "INSERT INTO stop (scope, key, lifted, body, crc, seal)"
    f" VALUES (?1, ?2, 0, ?3, ?4, {_seal('stop', **_NEW_STOP)})"
)
GET_STOPS = (
    f"SELECT scope, key, body, crc, lifted, {_holds('stop')} FROM stop ORDER BY id"
)
LIFT_STOPS = f"UPDATE {_set('stop', lifted='1')} WHERE scope = 'target'"
REOPEN_FAILED = f"UPDATE {_set('work', state='1', failed='0')} WHERE failed > 0"
REOPEN_JUDGED = (
    "DELETE FROM record WHERE kind = 'reading'",
    f"UPDATE {_set('work', state='0', unchanged='0', kept='0', failed='0')}",
)

NEXT_INVOCATION = "SELECT COALESCE(MAX(no), 0) + 1 FROM invocation"
PUT_INVOCATION = f"INSERT {_put('invocation')}"
END_INVOCATION = (
    f"UPDATE {_set('invocation', ended_at='?1', state='?2', stopped_by='?3')}"
    " WHERE no = ?4"
)
ADD_READS = f"UPDATE {_set('invocation', reads='reads + ?1')} WHERE no = ?2"
GET_READS = "SELECT COALESCE(SUM(reads), 0) FROM invocation"
GET_INVOCATIONS = (
    "SELECT no, command, operator, pid, started_at, ended_at, state, stopped_by,"
    f" {_holds('invocation')} FROM invocation ORDER BY no"
)
GET_STRAY = "SELECT batch FROM record WHERE batch NOT IN (SELECT id FROM batch) LIMIT 1"
GET_LAST_RECORD = (
    "SELECT batch, kind, why, body, crc FROM record WHERE kind <> 'check'"
    " ORDER BY id DESC LIMIT 1"
)
