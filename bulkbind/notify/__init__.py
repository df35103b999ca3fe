"""Signals out: metrics for a textfile collector, messages, pings, hooks.

Whether they arrive changes no verdict and no exit code.
"""

from bulkbind.notify.hooks import child_environment as child_environment
from bulkbind.notify.news import News as News
from bulkbind.notify.news import On as On
from bulkbind.notify.news import is_due as is_due
from bulkbind.notify.signals import Addresses as Addresses
from bulkbind.notify.signals import Signals as Signals
