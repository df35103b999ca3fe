"""The engine: one worker per lane, strictly in order, side by side with the others.

``seams`` says what it needs from others, ``halt`` what stops whom, ``lane`` works one
lane, ``engine`` starts them all.
"""

from bulkbind.run.canary import Canaries as Canaries
from bulkbind.run.engine import Engine as Engine
from bulkbind.run.engine import first_of as first_of
from bulkbind.run.halt import Halt as Halt
from bulkbind.run.leave import Leave as Leave
from bulkbind.run.limits import MAX_FAILED as MAX_FAILED
from bulkbind.run.limits import MaxFailed as MaxFailed
from bulkbind.run.looking import ON_REPLACE as ON_REPLACE
from bulkbind.run.reading import Reading as Reading
from bulkbind.run.seams import Attacher as Attacher
from bulkbind.run.seams import CanaryStep as CanaryStep
from bulkbind.run.seams import Gauge as Gauge
from bulkbind.run.seams import Observer as Observer
from bulkbind.run.seams import Recorder as Recorder
from bulkbind.run.seams import RunSettings as RunSettings
from bulkbind.run.seams import Turns as Turns
from bulkbind.run.slots import SlotPool as SlotPool
from bulkbind.run.tools import ReadTools as ReadTools
from bulkbind.run.waiting import Waiting as Waiting
