"""Whom a run may displace, counted over all its lanes."""

from dataclasses import dataclass

from bulkbind.plan import Fate, Judged, Judgement, OnReplace, What, decide


@dataclass(slots=True)
class Leave:
    """What a run may displace; shared by its lanes.

    What its plan showed is approved; this is about what has come since.
    """

    policy: OnReplace
    left: float
    """How many more plug-ins may be displaced."""

    def fate(self, judgement: Judgement, approved: str | None) -> Fate:
        """Say what happens to an id, and count it if it displaces anybody."""
        fate = decide(judgement, policy=self.policy, approved=approved)
        is_new = judgement.judged is Judged.REPLACE and judgement.other != approved
        if fate.what is What.SEND and is_new:
            if self.left < 1:
                return decide(judgement, policy=OnReplace.STOP, approved=approved)
            self.left -= 1
        return fate
