"""What is right: what an undisturbed run comes to, and what the gateways hold."""

import json
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.crash.scene import LANES, ROWS, Ended, Scene, Wrong
from tests.factories import lasting, read_csv


class Expected:
    """What an undisturbed run comes to; everything else is compared with it."""

    def __init__(self, scene: Scene, ended: Ended) -> None:
        self.code = ended.code
        self.world = scene.served.bound
        self.report = _report(scene)
        self.totals = _totals(scene)
        self.sent = sent_by(scene)
        counted = Counter(row["verdict"] for row in self.report)
        told = Counter(self.totals.get("verdicts", {}))
        if (self.code, len(self.report), +told) != (1, len(ROWS), counted):
            message = f"the undisturbed run went wrong: {ended}"
            raise Wrong(message)

    def check(self, scene: Scene, ended: Ended, *, kills: int) -> None:
        """Compare the end of a disturbed job with the undisturbed one.

        Raises:
            Wrong: A row is lost, doubled or told wrongly, or too much was sent.
        """
        self.check_told(scene, ended, kills=kills)
        repeats = self.repeats(scene)
        if max(repeats.values(), default=0) > kills:
            message = f"after {kills} kills, repeated by lane: {dict(repeats)}"
            raise Wrong(message)

    def check_told(self, scene: Scene, ended: Ended, *, kills: int = 1) -> None:
        """See that a finished job tells the truth, and all of it."""
        # a resume that finds nothing to do exits 0, whatever became of the rows
        code = 0 if "nothing is left to do" in ended.err else self.code
        # a kill leaves one intent a lane, at most, whose request did not leave
        within = range(LANES * kills + 1)
        run = scene.runs[-1] if scene.runs else Path()
        claims: dict[str, tuple[Any, Any]] = {
            "exit code": (ended.code, code),
            "runs": (len(scene.runs), 1),
            "world": (scene.served.bound, self.world),
            "report": (_report(scene), self.report),
            "totals": (_totals(scene), self.totals),
            "attaches never sent": (_never_sent(scene) in within, True),
            "sums": (_false_sums(scene), []),
            "published": (_published(scene.published / "latest"), _published(run)),
            "leftovers": (_leftovers(scene), []),
            "overlaps": (scene.served.sandbox.counters.overlaps, 0),
        }
        for name, (found, wanted) in claims.items():
            if found != wanted:
                message = f"{name}: {_difference(found, wanted)}\n{ended.err}"
                raise Wrong(message)

    def repeats(self, scene: Scene) -> Counter[str]:
        """Count the attaches beyond those of the undisturbed run, by gateway."""
        more = sent_by(scene) - self.sent
        repeats: Counter[str] = Counter()
        for (gateway, _), count in more.items():
            repeats[gateway] += count
        return repeats


def _report(scene: Scene) -> list[dict[str, str]]:
    """Read the newest report, without what differs from run to run."""
    path = scene.runs[-1] / "report.csv" if scene.runs else Path()
    return lasting(read_csv(path)) if path.is_file() else []


def sent_by(scene: Scene) -> Counter[tuple[str, tuple[str, ...]]]:
    """Count the attaches that came, by gateway and ids."""
    journal = scene.served.journal
    return Counter((entry.path["instance_id"], tuple(entry.ids)) for entry in journal)


def _totals(scene: Scene) -> dict[str, Any]:
    """Read from the newest summary what does not differ from run to run."""
    path = scene.runs[-1] / "summary.json" if scene.runs else Path()
    if not path.is_file():
        return {}
    summary = json.loads(path.read_text())
    names = ("state", "exit_code", "rows", "verdicts", "codes", "stopped_by")
    return {name: summary[name] for name in names}


def _never_sent(scene: Scene) -> int:
    """Count the attaches that were written down and never came; negative: untold."""
    summary = json.loads((scene.runs[-1] / "summary.json").read_text())
    return int(summary["requests"]["sent"]) - sent_by(scene).total()


def _leftovers(scene: Scene) -> list[str]:
    """Return what processes that are gone have left half made."""
    folders = [scene.state / "runs", scene.published]
    found = [path for folder in folders for path in folder.rglob(".*")]
    return [path.name for path in found]


def _published(folder: Path) -> dict[str, bytes]:
    """Read what a report is made of; times and ids are the same within a run."""
    names = ("report.csv", "failed.csv", "summary.json", "SHA256SUMS")
    paths = [folder / name for name in names]
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _false_sums(scene: Scene) -> list[str]:
    """Return the files that are not what ``SHA256SUMS`` says."""
    run = scene.runs[-1]
    false: list[str] = []
    if not (run / "SHA256SUMS").is_file():
        return ["SHA256SUMS"]
    for line in (run / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        if sha256((run / name).read_bytes()).hexdigest() != digest:
            false.append(name)
    return false


def _difference(found: object, wanted: object) -> str:
    if isinstance(found, list) and isinstance(wanted, list) and found and wanted:
        for one, other in zip(found, wanted, strict=False):
            if one != other:
                return f"{one}\n   not {other}"
    return f"{found!r}, not {wanted!r}"
