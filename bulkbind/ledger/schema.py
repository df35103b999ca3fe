"""Every SQL statement of the SQLite ledger, and what its tables mean.

``batch`` and ``record`` are written once and never changed; ``work`` says where a
batch stands so that a resume need not read them all, and could be made again from
the records. Every packed body has its CRC-32.
"""

#: Written into every ledger; a newer one is refused, an older one is read.
VERSION = 1

#: "blkb": marks a SQLite file as one of ours.
APPLICATION_ID = 0x626C6B62

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE lane (
    no INTEGER PRIMARY KEY, account TEXT NOT NULL, gateway TEXT NOT NULL);
CREATE TABLE target (
    no INTEGER PRIMARY KEY, account TEXT NOT NULL, project_id TEXT NOT NULL,
    instance_id TEXT NOT NULL, plugin_id TEXT NOT NULL, env_id TEXT NOT NULL,
    lane INTEGER NOT NULL, plugin_type TEXT NOT NULL);
CREATE TABLE batch (
    id INTEGER PRIMARY KEY, target INTEGER NOT NULL, lane INTEGER NOT NULL,
    action TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX batch_target ON batch (target, id);
CREATE TABLE work (
    batch INTEGER PRIMARY KEY, lane INTEGER NOT NULL, target INTEGER NOT NULL,
    size INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0,
    bound INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0,
    poisoned INTEGER NOT NULL DEFAULT 0);
CREATE INDEX work_open ON work (lane, batch) WHERE state < 2;
CREATE INDEX work_poisoned ON work (lane, batch) WHERE poisoned > 0;
CREATE INDEX work_failed ON work (batch) WHERE failed > 0;
CREATE TABLE aside (row INTEGER PRIMARY KEY, verdict TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE record (
    id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, kind TEXT NOT NULL,
    why TEXT NOT NULL, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE INDEX record_batch ON record (batch, id, kind, why);
CREATE TABLE stop (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL,
    lifted INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL, crc INTEGER NOT NULL);
CREATE TABLE invocation (
    no INTEGER PRIMARY KEY, command TEXT NOT NULL, operator TEXT NOT NULL,
    pid INTEGER NOT NULL, started_at REAL NOT NULL, ended_at REAL,
    state TEXT NOT NULL, stopped_by TEXT NOT NULL DEFAULT '',
    reads INTEGER NOT NULL DEFAULT 0);
"""

#: ``work.state``: never sent, sent and not settled, every row has its own answer.
FRESH, STARTED, SETTLED = 0, 1, 2

PUT_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
GET_META = "SELECT name, value FROM meta"

PUT_LANE = "INSERT INTO lane VALUES (?, ?, ?)"
PUT_TARGET = "INSERT INTO target VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
PUT_BATCH = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)"
PUT_WORK = "INSERT INTO work (batch, lane, target, size) VALUES (?, ?, ?, ?)"
PUT_ASIDE = "INSERT INTO aside VALUES (?, ?, ?)"

GET_LANES = "SELECT no, account, gateway FROM lane ORDER BY no"
GET_TARGETS = (
    "SELECT no, account, project_id, instance_id, plugin_id, env_id, lane, plugin_type"
    " FROM target ORDER BY no"
)
GET_ASIDES = "SELECT row, verdict, text FROM aside ORDER BY row"
GET_BATCHES = (
    "SELECT id, target, lane, action, body, crc FROM batch WHERE target = ? ORDER BY id"
)
GET_OPEN = (
    "SELECT id, b.target, b.lane, action, body, crc FROM work w JOIN batch b"
    " ON b.id = w.batch WHERE w.lane = ? AND w.state < 2 AND w.batch > ?"
    " ORDER BY w.batch LIMIT ?"
)
GET_RECORDS = "SELECT batch, kind, body, crc FROM record WHERE batch = ? ORDER BY id"
GET_OPEN_LANES = "SELECT DISTINCT lane FROM work WHERE state < 2 ORDER BY lane"
GET_TALLY = (
    "SELECT lane, state, COUNT(*), SUM(size), SUM(bound), SUM(failed) FROM work"
    " GROUP BY lane, state"
)
GET_WHY = "SELECT why, COUNT(*) FROM record WHERE kind = 'intent' GROUP BY why"
GET_ASIDE_COUNTS = "SELECT verdict, COUNT(*) FROM aside GROUP BY verdict"

PUT_RECORD = "INSERT INTO record (batch, kind, why, body, crc) VALUES (?, ?, ?, ?, ?)"
SET_STARTED = "UPDATE work SET state = 1 WHERE batch = ? AND state = 0"
SET_POISONED = "UPDATE work SET poisoned = 1 WHERE batch = ?"
GET_POISONED = (
    "SELECT batch FROM work WHERE lane = ? AND poisoned > 0 ORDER BY batch LIMIT ?"
)
SET_WORK = "UPDATE work SET state = ?, bound = ?, failed = ? WHERE batch = ?"
FAIL_TARGET = "UPDATE work SET state = 2, failed = size WHERE target = ? AND state = 0"
PUT_STOP = "INSERT INTO stop (scope, key, body, crc) VALUES (?, ?, ?, ?)"
GET_STOPS = "SELECT scope, key, body, crc FROM stop WHERE lifted = 0 ORDER BY id"
LIFT_STOPS = "UPDATE stop SET lifted = 1 WHERE scope = 'target'"
REOPEN_FAILED = "UPDATE work SET state = 1, failed = 0 WHERE failed > 0"

PUT_INVOCATION = (
    "INSERT INTO invocation (command, operator, pid, started_at, state)"
    " VALUES (?, ?, ?, ?, ?)"
)
END_INVOCATION = (
    "UPDATE invocation SET ended_at = ?, state = ?, stopped_by = ? WHERE no = ?"
)
ADD_READS = "UPDATE invocation SET reads = reads + ? WHERE no = ?"
GET_READS = "SELECT COALESCE(SUM(reads), 0) FROM invocation"
GET_INVOCATIONS = (
    "SELECT no, command, operator, pid, started_at, ended_at, state, stopped_by"
    " FROM invocation ORDER BY no"
)
GET_LAST_RECORD = "SELECT batch, kind, body, crc FROM record ORDER BY id DESC LIMIT 1"
