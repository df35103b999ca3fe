"""Settings: defaults in one place, a job file checked as a whole, overlays in order.

``values`` holds the frozen results and every default, ``jobfile`` checks (with
pydantic, imported only there), ``load`` lays command line over environment over job
file.
"""

from bulkbind.settings.load import Overrides as Overrides
from bulkbind.settings.load import ledger_url as ledger_url
from bulkbind.settings.load import load_job as load_job
from bulkbind.settings.load import revise as revise
from bulkbind.settings.tool import installed_version as installed_version
from bulkbind.settings.units import parse_duration as parse_duration
from bulkbind.settings.units import parse_rate as parse_rate
from bulkbind.settings.values import SANDBOX as SANDBOX
from bulkbind.settings.values import SANDBOX_PROJECT as SANDBOX_PROJECT
from bulkbind.settings.values import AccountSettings as AccountSettings
from bulkbind.settings.values import ClusterSettings as ClusterSettings
from bulkbind.settings.values import Hint as Hint
from bulkbind.settings.values import JobSettings as JobSettings
from bulkbind.settings.values import NotifySettings as NotifySettings
from bulkbind.settings.values import OnInvalid as OnInvalid
from bulkbind.settings.values import SandboxSettings as SandboxSettings
