"""A failed request -> how far it reaches, how long to wait, what to advise.

The code decides; the status where the code is unknown; the text never. Codes come in
three families: ``APIG.nnnn`` (the management service), ``APIC.nnnn`` (the instance
service) and ``APIGW.nnnn`` (the cloud's own front gateway, also spelled
``APIG.0nnn``). Source: APIG error codes; API signing guide, gateway error codes.
"""

from bulkbind.retry.judge import advise as advise
from bulkbind.retry.judge import canonical as canonical
from bulkbind.retry.judge import cause_of as cause_of
from bulkbind.retry.judge import classify as classify
from bulkbind.retry.judge import explained as explained
from bulkbind.retry.judge import refuses_credential as refuses_credential
from bulkbind.retry.remarks import remark_on as remark_on
from bulkbind.retry.table import OUR_CODES as OUR_CODES
from bulkbind.retry.table import RULES as RULES
from bulkbind.retry.table import Rule as Rule
from bulkbind.retry.waits import LONGEST_RETRY_AFTER_S as LONGEST_RETRY_AFTER_S
from bulkbind.retry.waits import RetryPolicy as RetryPolicy
from bulkbind.retry.waits import backoff as backoff
from bulkbind.retry.waits import read_limit as read_limit
from bulkbind.retry.waits import read_retry_after as read_retry_after
