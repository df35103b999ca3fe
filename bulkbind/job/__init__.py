"""Assembly: the only place that knows every stage.

``story`` is the whole of it on one page; ``planning``, ``running`` and ``reporting``
are its three acts.
"""
