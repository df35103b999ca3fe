"""A row's ledger records -> its verdict. Report, status and resume all use it.

The rules, in order of strength:

1. A receipt that names the row, or a list that shows it as wanted after it was sent:
   ``bound`` or ``unbound``. Shown so and never sent: ``unchanged``.
2. A whole refusal of a request that carried this row alone, or a list that says why
   it cannot be bound: ``failed``. Another plug-in that may not be displaced: ``kept``.
3. A request that carried the row left, and neither yes nor no came: ``unconfirmed``,
   unless a later receipt or refusal settled it.
4. The row's target was refused as a whole: ``failed``, cause ``target``.
5. Otherwise ``not_sent``, with the reason why the run stopped.

A detach is answered without receipts; until its effect is read back its rows are
``unconfirmed``. What a row displaced is what the last picture before its first
request shows; later pictures do not count.
"""

from bulkbind.verdict.findings import Findings as Findings
from bulkbind.verdict.findings import find as find
from bulkbind.verdict.findings import judge as judge
from bulkbind.verdict.standing import UNKNOWN_REPLACED as UNKNOWN_REPLACED
from bulkbind.verdict.standing import Standing as Standing
from bulkbind.verdict.standing import stand as stand
from bulkbind.verdict.stops import Stops as Stops
