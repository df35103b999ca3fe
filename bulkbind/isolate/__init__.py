"""Which ids of a batch to send next, given what was answered so far.

A refused batch holds at least one bad id; the search finds which. A clean answer
finishes its ids, so no request is wasted on good ones, and every bad id is sent alone
once, which gives it an error of its own.

The walk goes from left to right and never shuffles: bad ids lie in runs, and a run
stays one. What is known to hold a bad id is always a *prefix* of the open ids, so one
number keeps it: a refused prefix is halved until its first bad id is alone; everything
before that id is clean by then, and nothing is known of what follows. How long the next
group is depends on how often runs began so far (:class:`Odds`). The id behind a bad
one goes alone where runs go on more often than not.

A message that names ids of the refused group is a *hint*. A named id is sent alone at
once: a right hint saves the halving, a wrong one costs that request, and hints that
cost more than they save are passed over (:class:`Hints`).

At most 1.35 requests for each id are sent (small batches: up to 2), whatever the
gateway answers: a search that gets near it goes one by one, which always ends.
"""

from bulkbind.isolate.search import Search as Search
