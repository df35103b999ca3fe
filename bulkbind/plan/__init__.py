"""Rows -> bindings -> batches, and the digest that names the result.

``rules`` and ``judging`` decide (pure), ``spill`` keeps what does not fit in memory,
``build`` walks the rows once and hands everything on.
"""

from bulkbind.plan.build import Planner as Planner
from bulkbind.plan.claims import Claims as Claims
from bulkbind.plan.draft import Draft as Draft
from bulkbind.plan.draft import PlanSettings as PlanSettings
from bulkbind.plan.drawing import draw as draw
from bulkbind.plan.judging import SEND as SEND
from bulkbind.plan.judging import Binding as Binding
from bulkbind.plan.judging import Fate as Fate
from bulkbind.plan.judging import Judged as Judged
from bulkbind.plan.judging import Judgement as Judgement
from bulkbind.plan.judging import OnReplace as OnReplace
from bulkbind.plan.judging import Picture as Picture
from bulkbind.plan.judging import What as What
from bulkbind.plan.judging import decide as decide
from bulkbind.plan.judging import judge as judge
from bulkbind.plan.judging import record_of as record_of
from bulkbind.plan.rules import OnConflict as OnConflict
