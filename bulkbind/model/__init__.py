"""The vocabulary: frozen values that every stage speaks in.

A *row* is one API id in one target. A *target* is account, gateway instance,
plug-in and environment. A *batch* is 1-500 ids of one target and one action: one
request. A *lane* is a queue of batches whose requests must not overlap: one gateway
instance. A request has an *outcome*, a row has a *verdict*.

Values have no verbs that do I/O. Times are seconds since the epoch, UTC.
"""

from bulkbind.model.hexids import ID_BYTES as ID_BYTES
from bulkbind.model.hexids import is_hex_id as is_hex_id
from bulkbind.model.hexids import pack_hex_ids as pack_hex_ids
from bulkbind.model.hexids import unpack_hex_ids as unpack_hex_ids
from bulkbind.model.pinned import PinnedRows as PinnedRows
from bulkbind.model.pinned import windows as windows
from bulkbind.model.records import NO_RECEIPTS as NO_RECEIPTS
from bulkbind.model.records import NOBODY as NOBODY
from bulkbind.model.records import Named as Named
from bulkbind.model.records import Receipts as Receipts
from bulkbind.model.records import Record as Record
from bulkbind.model.records import RecordKind as RecordKind
from bulkbind.model.records import Refusal as Refusal
from bulkbind.model.records import Reply as Reply
from bulkbind.model.records import RowVerdict as RowVerdict
from bulkbind.model.records import Stop as Stop
from bulkbind.model.records import Why as Why
from bulkbind.model.rows import Aside as Aside
from bulkbind.model.rows import Batch as Batch
from bulkbind.model.rows import Block as Block
from bulkbind.model.rows import Lane as Lane
from bulkbind.model.rows import Row as Row
from bulkbind.model.rows import SourceFile as SourceFile
from bulkbind.model.rows import Target as Target
from bulkbind.model.runs import Invocation as Invocation
from bulkbind.model.runs import LaneTally as LaneTally
from bulkbind.model.runs import PlanTotals as PlanTotals
from bulkbind.model.runs import Requests as Requests
from bulkbind.model.runs import RunState as RunState
from bulkbind.model.runs import Settled as Settled
from bulkbind.model.runs import Summary as Summary
from bulkbind.model.runs import Verification as Verification
from bulkbind.model.window import Deadline as Deadline
from bulkbind.model.window import Phase as Phase
from bulkbind.model.window import Window as Window
from bulkbind.model.window import parse_clock as parse_clock
from bulkbind.model.window import parse_window as parse_window
from bulkbind.model.words import DEFAULT_ACCOUNT as DEFAULT_ACCOUNT
from bulkbind.model.words import FORMULA as FORMULA
from bulkbind.model.words import ID_COLUMNS as ID_COLUMNS
from bulkbind.model.words import MAX_API_IDS as MAX_API_IDS
from bulkbind.model.words import NAMED as NAMED
from bulkbind.model.words import REPORT_COLUMNS as REPORT_COLUMNS
from bulkbind.model.words import STAND_INS as STAND_INS
from bulkbind.model.words import Action as Action
from bulkbind.model.words import Cause as Cause
from bulkbind.model.words import OurCode as OurCode
from bulkbind.model.words import Scope as Scope
from bulkbind.model.words import Secret as Secret
from bulkbind.model.words import Verdict as Verdict
