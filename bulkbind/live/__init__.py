"""What is bound now: reads gateways, and says what that means; never starts a run.

``lists`` reads, ``pictures`` puts together what a target's rows need to know.
"""

from bulkbind.live.lists import Lists as Lists
from bulkbind.live.lists import ListUnread as ListUnread
from bulkbind.live.pictures import Pictures as Pictures
