"""``bulkbind explain``: what a code, a verdict or an exit code means."""

import click

from bulkbind.cli import completing
from bulkbind.cli.main import EXITS
from bulkbind.cli.saying import say
from bulkbind.errors import SettingsError
from bulkbind.model import Scope, Verdict
from bulkbind.retry import OUR_CODES, RULES, canonical, explained

VERDICTS = {
    Verdict.BOUND: "the gateway's receipt names it",
    Verdict.UNCHANGED: "it was already so; nothing was sent",
    Verdict.UNBOUND: "detached, and read back as gone",
    Verdict.KEPT: "another plug-in is there, and this run was not allowed to replace it",
    Verdict.FAILED: "refused: with code, message, cause and advice",
    Verdict.UNCONFIRMED: "sent, and no answer could be had about it",
    Verdict.NOT_SENT: "the run stopped before its own answer",
    Verdict.DUPLICATE: "another line asks for the same binding",
    Verdict.SUPERSEDED: "another line gives the API a plug-in of the same type",
    Verdict.INVALID: "the row cannot be sent as it stands",
}

SCOPES = {
    Scope.DONE: "nothing: it went as asked",
    Scope.ITEM: "the row: the batch is split until the bad id stands alone",
    Scope.TARGET: "every row of the plug-in and environment: they fail at once",
    Scope.GATEWAY: "the gateway: it is parked, its rows are not_sent, others go on",
    Scope.ACCOUNT: "the account: its gateways stop, other accounts go on",
    Scope.CANARY: "the plug-in and environment: the rest is not_sent, others go on",
    Scope.THROTTLE: "nobody: the account pauses and sends again; not an attempt",
    Scope.BUSY: "nobody: the gateway waits and sends again; not an attempt",
    Scope.AMBIGUOUS: "nobody yet: sent again, which is safe; at last unconfirmed",
    Scope.TRANSIENT: "nobody yet: sent again",
}


@click.command("explain")
@click.argument(
    "what",
    required=False,
    metavar="[CODE|VERDICT|EXIT]",
    shell_complete=completing.words,
)
def command(*, what: str | None) -> int:
    """Say what a code, a verdict or an exit code means; without one: all of them."""
    if what is None:
        say("\n".join(_everything()))
        return 0
    name = what.strip()
    text = _verdict(name.lower()) or _code(name.upper()) or _exit(name)
    if not text:
        problem = (
            f"{what!r} is no code, verdict or exit code that bulkbind knows; an unknown"
            " code of the gateway is judged by its HTTP status"
        )
        raise SettingsError([problem])
    say(text)
    return 0


def _verdict(name: str) -> str:
    meaning = {verdict.value: text for verdict, text in VERDICTS.items()}.get(name)
    return f"{name}: {meaning}" if meaning else ""


def _code(name: str) -> str:
    rule = RULES.get(canonical(name))
    ours = OUR_CODES.get(name)
    if rule:
        return (
            f"{canonical(name)}: {rule.meaning}\n  reaches: {SCOPES[rule.scope]}\n"
            f"  advice: {rule.advice}"
        )
    if ours:
        return f"{name}: {ours.meaning}\n  advice: {ours.advice}"
    return ""


def _exit(name: str) -> str:
    for line in EXITS.splitlines():
        for part in line.split(";"):
            code, _, meaning = part.strip().partition(" ")
            if code == name:
                return f"exit {code}: {meaning.strip()}"
    return ""


def _everything() -> list[str]:
    lines = ["Verdicts", *(f"  {v.value:<12} {text}" for v, text in VERDICTS.items())]
    lines += ["", "Exit codes", EXITS, "", "Codes"]
    for code, rule in explained():
        scope = "ours" if code in OUR_CODES else rule.scope.value
        lines.append(f"  {code:<26} {scope:<10} {rule.meaning}; {rule.advice}")
    return lines
