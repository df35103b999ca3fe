"""Why rows without an answer of their own have none. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bulkbind.model import Scope, Stop, Target


@dataclass(frozen=True, slots=True)
class Stops:
    """Why rows without an answer of their own have none, looked up by reach."""

    by_reach: Mapping[tuple[Scope, str], Stop] = field(default_factory=dict)

    @classmethod
    def of(cls, stops: Iterable[Stop], *, invocation: int) -> "Stops":
        """Keep the stops that count: a target's always, others for one invocation."""
        return cls(
            {
                (stop.scope, stop.key): stop
                for stop in stops
                if stop.scope is Scope.TARGET or stop.invocation == invocation
            }
        )

    def reaching(self, target: Target) -> Stop | None:
        """Return the stop that explains the target's unanswered rows, if any."""
        reaches = (
            (Scope.TARGET, str(target.no)),
            (Scope.CANARY, str(target.no)),
            (Scope.ACCOUNT, target.account),
            (Scope.GATEWAY, str(target.lane)),
            (Scope.DONE, ""),
        )
        met = (self.by_reach[reach] for reach in reaches if reach in self.by_reach)
        return next(met, None)
