"""A reply -> how far it reaches, whom to blame, what to advise."""

from collections.abc import Iterable

from bulkbind.model import Cause, Reply, Scope
from bulkbind.retry.table import CREDENTIAL_CODES, OUR_CODES, RULES, Rule

#: What a status means when the code says nothing; by hundreds where it is not here.
_BY_STATUS = {
    **dict.fromkeys((400, 404, 409, 410, 412, 413, 422), Scope.ITEM),
    **dict.fromkeys((401, 407), Scope.ACCOUNT),
    408: Scope.AMBIGUOUS,
    429: Scope.THROTTLE,
}
_BY_HUNDREDS = {2: Scope.DONE, 5: Scope.AMBIGUOUS}

#: The body is too large: fewer ids may do.
_TOO_LARGE = 413


def canonical(code: str) -> str:
    """Spell a front-gateway code one way: ``APIG.0308`` is ``APIGW.0308``.

    ROMA Connect spells it ``APIC.0308``. Source: apig-contract 3 and 6.
    """
    family, _, number = code.partition(".")
    is_front = family in {"APIG", "APIC"} and number[:1] == "0"
    return f"APIGW.{number}" if is_front else code


def classify(reply: Reply) -> Scope:
    """Tell how far a reply reaches: the code decides, else the status."""
    code = canonical(reply.code)
    rule = RULES.get(code)
    if rule is not None and reply.status:
        return rule.scope
    scope = _by_status(reply)
    is_blind = code.startswith("APIGW.") and reply.status != _TOO_LARGE
    if scope is Scope.ITEM and is_blind:
        # The front gateway never looks at ids: splitting would find nothing.
        return Scope.GATEWAY
    return scope


_NOBODY = 401


def _by_status(reply: Reply) -> Scope:
    if not reply.status:
        return Scope.AMBIGUOUS if reply.left else Scope.TRANSIENT
    by_hundreds = _BY_HUNDREDS.get(reply.status // 100, Scope.GATEWAY)
    return _BY_STATUS.get(reply.status, by_hundreds)


def refuses_credential(reply: Reply) -> bool:
    """Tell whether a reply says that the credential itself is no good.

    Asking again with it is useless, and five times lock an access key. Source:
    apig-contract 4.4.
    """
    if not reply.status:
        return False
    code = canonical(reply.code)
    return code in CREDENTIAL_CODES or (code not in RULES and reply.status == _NOBODY)


def advise(code: str) -> str:
    """Return what to do about a code, or an empty text."""
    rule = RULES.get(canonical(code)) or OUR_CODES.get(code)
    return rule.advice if rule else ""


def cause_of(scope: Scope) -> Cause:
    """Return whom a report blames for a failure of this scope."""
    return {
        Scope.ITEM: Cause.ITEM,
        Scope.TARGET: Cause.TARGET,
        Scope.GATEWAY: Cause.GATEWAY,
        Scope.ACCOUNT: Cause.ACCOUNT,
    }.get(scope, Cause.OUTAGE)


def explained() -> Iterable[tuple[str, Rule]]:
    """Yield every code with its rule, ours last."""
    yield from sorted(RULES.items())
    yield from sorted(OUR_CODES.items())
