"""A seed's stage: a world, a plan in its ledger, and everybody who watches."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bulkbind.job.canary import FirstBatches, canary_facts
from bulkbind.ledger import SqliteLedger
from bulkbind.model import Batch
from bulkbind.pace import MemoryLog, Rate
from bulkbind.plan import Planner, PlanSettings
from bulkbind.run import Observer
from bulkbind.sandbox import MemoryWorld, Request, SandboxOptions, Seen, fill
from tests.simulate.case import CALM, Case
from tests.simulate.judge import Judge, Truth
from tests.simulate.life import Body, Lived, LoopClock, PaceLog
from tests.simulate.server import Server
from tests.simulate.telling import Storyteller
from tests.simulate.witness import Witness

#: Where ledgers of simulations are: in memory, so that no disk is waited for.
SHM = Path("/dev/shm")  # noqa: S108


@dataclass(frozen=True, slots=True, kw_only=True)
class Lies:
    """What goes on behind the engine's back, to see that it is found out."""

    behind_answers: Callable[[MemoryWorld, Request, Seen], None] | None = None
    """Called after every answer."""
    between_lives: Callable[[Path], None] | None = None
    """Called with the ledger after every life."""
    is_unpaced: bool = False
    """The engine is told of no ceiling."""


TRUTH = Lies()


class Scene:
    """What all lives of a seed have in common.

    Args:
        case: What the seed is about.
        path: Where the ledger is to be.
        lies: What to tell the engine that is not so.
        lines: Takes every event; None: nobody wants to know.
    """

    def __init__(
        self, case: Case, path: Path, *, lies: Lies, lines: list[str] | None
    ) -> None:
        self.case = case
        self.clock = LoopClock()
        self.options = case.options
        self._lies = lies
        self._lines = lines
        world = MemoryWorld()
        _furnish(case, world)
        self.witness = Witness(
            _plan(case, path),
            canary=len(case.canary),
            ceiling=case.rate,
            now=self.clock,
        )
        self.body = self._body(path, world)
        self.body.server.meddle = lies.behind_answers
        self.judge = Judge(case, path=path, witness=self.witness, truth=Truth(world))
        self.serve(case.options)

    def _body(self, path: Path, world: MemoryWorld) -> Body:
        case, is_told = self.case, self._lines is not None
        return Body(
            case=case,
            ledger=path,
            server=Server(case, world, say=self.say if is_told else None),
            witness=self.witness,
            paces={
                name: PaceLog(
                    MemoryLog(clock=self.clock),
                    released=partial(self.witness.released, name),
                )
                for name in {row.account for row in case.rows}
            },
            observer=Storyteller(self.say) if is_told else Observer(),
            rate=Rate(0, 0.0) if self._lies.is_unpaced else case.rate,
        )

    def say(self, text: str) -> None:
        """Put an event into the story."""
        if self._lines is not None:
            self._lines.append(f"{self.clock():14.6f} {text}")

    def serve(self, options: SandboxOptions) -> None:
        """Let the gateways be served anew; the world stays."""
        self.options = options
        self.body.server.start(options, now=self.clock())

    def refresh(self) -> None:
        """Log in anew where the token is worn out; now and then, a new gateway."""
        weather = self.options.weather
        if self.case.keeps_server and not (weather and weather.token_life_s):
            return
        seed = self.options.seed + 1
        self.serve(replace(self.options, seed=seed, token=f"token-{seed}"))

    def clear_up(self) -> None:
        """Let nothing go wrong any more, but for what is wrong with the rows."""
        calm = replace(
            self.options,
            weather=CALM,
            rate=None,
            token="calm",  # noqa: S106
        )
        self.serve(calm)
        self.body = replace(
            self.body, case=replace(self.case, unreachable=0.0, refusals=0.0)
        )

    def look(self, lived: Lived) -> Counter[str]:
        """Judge what a life left behind; return its verdicts."""
        if self._lies.between_lives is not None:
            self._lies.between_lives(self.body.ledger)
        counts = self.judge.look(invocation=max(lived.no, 1), ended=lived.ended)
        self.say(f"--- {lived.ended} {lived.state}: {dict(counts)}")
        return counts


@contextmanager
def stage(
    case: Case, *, lies: Lies = TRUTH, lines: list[str] | None = None
) -> Iterator[Scene]:
    """Set a seed's stage, and clear it away again."""
    folder = SHM if SHM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="simulate-", dir=folder) as name:
        yield Scene(case, Path(name) / "ledger.db", lies=lies, lines=lines)


def _furnish(case: Case, world: MemoryWorld) -> None:
    """Make everything exist but what is absent, missing or not published."""
    fill(
        world,
        (
            row
            for row in case.rows
            if not case.absent & {row.instance_id, row.plugin_id}
        ),
        missing=case.missing,
        unpublished=case.unpublished,
        seed=case.seed,
    )


def _plan(case: Case, path: Path) -> list[Batch]:
    """Plan the rows into a new ledger, as ``job.planning`` does it."""
    planner = Planner(
        PlanSettings(
            batch_size=case.batch_size,
            canary=case.canary,
            on_conflict=case.on_conflict,
        ),
        gateway_of=lambda account, instance: f"gateway.example/{instance}",
        file_name=lambda file: "apis.csv",
        folder=path.parent,
    )
    for row in case.rows:
        planner.add(row)
    batches = list(planner.batches())
    canaries = FirstBatches(len(case.canary))
    for batch in batches:
        canaries.add(batch, is_sent=True)
    ledger = SqliteLedger.create(path, tool="simulator")
    ledger.begin()
    ledger.put_batches(batches)
    draft = planner.draft
    ledger.put_meta(canary_facts(canaries))
    ledger.put_plan(lanes=draft.lanes, targets=draft.targets, asides=draft.asides)
    ledger.commit()
    ledger.close()
    return batches
