"""For every ring: hypothesis judges answers, not speed; machines are shared."""

from hypothesis import settings

settings.register_profile("bulkbind", deadline=None)
settings.load_profile("bulkbind")
