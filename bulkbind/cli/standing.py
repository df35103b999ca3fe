"""What a run at work does and why it waits, as lines of text."""

from bulkbind.cli.words import count, duration, table
from bulkbind.control.now import Now, Reason
from bulkbind.state.status import RunStatus

#: A word that is older than this was not followed by the next one.
OLD_S = 5.0

#: Lanes that are shown one by one.
_SHOWN = 10


def standing(status: RunStatus) -> list[str]:
    """Say what a run does now; nothing of one that is over."""
    now = status.now
    if now is None:
        return []
    lines = [""]
    if not status.at_work:
        age = duration(status.now_age_s)
        lines += [f"its process is gone; {age} ago it said of itself:"]
    elif status.now_age_s > OLD_S:
        lines += [f"it has said nothing for {duration(status.now_age_s)}; then it was:"]
    return lines + _now(now)


def waits(reason: Reason) -> str:
    """Say what lanes wait for."""
    verb = "waits" if reason.lanes == 1 else "wait"
    return f"{verb} for {'`unpause`' if reason.why == 'paused' else reason.why}"


def _now(now: Now) -> list[str]:
    lines = []
    if now.stopping:
        lines.append(f"stopping ({now.stopping}): what is out is awaited")
    if now.paused_by:
        lines.append(now.paused_by)
    if now.ends_in is not None:
        lines.append(f"its {now.ends_by} ends it in {duration(now.ends_in)}")
    waiting = sum(reason.lanes for reason in now.reasons)
    lines.append(
        f"lanes: {now.lanes_sending:,} sending, {waiting:,} waiting,"
        f" {now.lanes_done:,} done; concurrency {now.concurrency}"
    )
    for account in now.accounts:
        throttled = ""
        if account.throttled_seconds:
            throttled = f", told to wait {duration(account.throttled_seconds)} more"
        lines.append(
            f"account {account.account}: {account.rate} of {account.ceiling}{throttled}"
        )
    for reason in now.reasons:
        longest = "" if reason.seconds is None else f", {_more(reason.seconds)}"
        lines.append(f"{count(reason.lanes, 'lane')} {waits(reason)}{longest}")
    rows = [
        (lane.gateway, lane.state, lane.why, f"{lane.seconds:.1f}")
        for lane in now.slowest[:_SHOWN]
    ]
    if rows:
        lines += ["", *table(("slowest gateway", "state", "why", "#seconds"), rows)]
    return lines


def _more(seconds: float) -> str:
    return f"at most {duration(seconds)} more" if seconds else "for less than a second"
