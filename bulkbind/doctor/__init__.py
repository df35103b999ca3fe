"""What would go wrong with a machine, a job or a run, and what to do about it.

``examination`` says what is looked at, and in which order: ``machine`` and ``folders``
here, ``account`` at the gateways (one page of each list), ``run`` in a run's files.
Nothing is changed on a gateway or in STATE.
"""

from bulkbind.doctor.check import Check as Check
from bulkbind.doctor.check import Grade as Grade
from bulkbind.doctor.examination import examine as examine
from bulkbind.doctor.machine import Machine as Machine
from bulkbind.doctor.machine import this_machine as this_machine
