"""What is bound now: reads gateways, and says what that means; never starts a run.

``lists`` reads, ``pictures`` puts together what a target's rows need to know, ``slots``
says who holds them now, ``harvest`` takes everything; ``misses`` is what was not read.
"""

from bulkbind.live.lists import Lists as Lists
from bulkbind.live.lists import ListUnread as ListUnread
from bulkbind.live.misses import Misses as Misses
from bulkbind.live.names import Asked as Asked
from bulkbind.live.names import Names as Names
from bulkbind.live.names import Resolver as Resolver
from bulkbind.live.names import asked as asked
from bulkbind.live.names import resolve_rows as resolve_rows
from bulkbind.live.pictures import Pictures as Pictures
from bulkbind.live.slots import Holders as Holders
from bulkbind.live.slots import other_holders as other_holders
from bulkbind.live.slots import own_holders as own_holders
