"""What can be wrong with a machine before anything is asked of a gateway.

Nothing here changes anything, and nothing is read but what a check is about.
"""

from bulkbind.doctor.check import Check as Check
from bulkbind.doctor.check import Grade as Grade
from bulkbind.doctor.check import fault as fault
from bulkbind.doctor.check import fine as fine
from bulkbind.doctor.check import from_error as from_error
from bulkbind.doctor.check import warning as warning
from bulkbind.doctor.clock import check_clock as check_clock
from bulkbind.doctor.folders import Folder as Folder
from bulkbind.doctor.folders import check_file as check_file
from bulkbind.doctor.folders import check_folder as check_folder
from bulkbind.doctor.folders import check_git as check_git
from bulkbind.doctor.machine import Machine as Machine
from bulkbind.doctor.machine import check_machine as check_machine
from bulkbind.doctor.machine import this_machine as this_machine
