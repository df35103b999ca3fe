"""Gateways that cannot be read, and what their owners are told."""

from collections.abc import Collection

from bulkbind.live.lists import ListUnread
from bulkbind.model import Cause, Scope, Stop
from bulkbind.run import Halt


class Misses:
    """What could not be read so far.

    A refused account reads no more; one that only lacks a right may read other lists.

    Args:
        halt: Stops accounts that are refused.
    """

    def __init__(self, halt: Halt) -> None:
        self.why: dict[str, str] = {}
        """Gateway -> the first reason, for people."""
        self._halt = halt
        self._refused: dict[str, str] = {}

    def note(self, unread: ListUnread) -> None:
        """Note that a list cannot be read."""
        text = f"{unread.text}; {unread.advice}" if unread.advice else unread.text
        self.why.setdefault(unread.lane.gateway, text)
        if unread.reply is None or unread.scope is not Scope.ACCOUNT:
            return
        account = unread.lane.account
        self._refused.setdefault(account, text)
        if not unread.lacks_right:
            stop = Stop(
                scope=Scope.ACCOUNT,
                key=account,
                cause=Cause.ACCOUNT,
                invocation=0,
                at=0.0,
                status=unread.reply.status,
                code=unread.reply.code,
                message=unread.reply.message,
            )
            self._halt.stop_account(stop)

    def refusal(self, accounts: Collection[str]) -> str:
        """Say why nothing could be read, if every one of some accounts was refused."""
        if not accounts or not set(accounts) <= self._refused.keys():
            return ""
        return "; ".join(
            f"account {name!r}: {text}" for name, text in self._refused.items()
        )
