"""The pace of one account: no window ever holds more than N releases.

``rate`` says what N per W is, ``log`` remembers releases, ``estimate`` learns what the
gateway takes from what it refuses, ``turns`` lets requests out one by one.
"""

from bulkbind.pace.estimate import Estimate as Estimate
from bulkbind.pace.log import MemoryLog as MemoryLog
from bulkbind.pace.log import ReleaseLog as ReleaseLog
from bulkbind.pace.rate import Rate as Rate
from bulkbind.pace.turns import SLACK_S as SLACK_S
from bulkbind.pace.turns import Pace as Pace
