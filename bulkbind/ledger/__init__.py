"""The ledger: what is durable before a request leaves and before a lane goes on.

``store`` says what a ledger does, ``sqlite`` does it in a file, ``executor`` decides
in which thread and how many writes share a commit, ``recorder`` is what the engine
sees of it.
"""

from bulkbind.ledger.executor import Executor as Executor
from bulkbind.ledger.executor import InlineExecutor as InlineExecutor
from bulkbind.ledger.executor import ThreadExecutor as ThreadExecutor
from bulkbind.ledger.recorder import CANARY as CANARY
from bulkbind.ledger.recorder import LedgerRecorder as LedgerRecorder
from bulkbind.ledger.sqlite import SqliteLedger as SqliteLedger
from bulkbind.ledger.store import Ledger as Ledger
