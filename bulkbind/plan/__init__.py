"""Rows -> bindings -> batches, and the digest that names the result.

``rules`` decides (pure), ``spill`` keeps what does not fit in memory, ``build`` walks
the rows once and hands everything on.
"""

from bulkbind.plan.build import Draft as Draft
from bulkbind.plan.build import Planner as Planner
from bulkbind.plan.build import PlanSettings as PlanSettings
from bulkbind.plan.build import draw as draw
from bulkbind.plan.rules import OnConflict as OnConflict
