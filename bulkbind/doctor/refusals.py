"""A credential that was refused -> what to do about it. Pure.

The code says little: one of them, APIGW.0301, has five reasons, and names them in its
text. So the text is looked at here, where it can only choose an advice.
Source: API signing guide, FAQ; apig-contract 3.2, 4.1 and 4.4.
"""

from bulkbind.model import Reply
from bulkbind.retry import advise, canonical, remark_on

_SCOPE = (
    "the token is not scoped to a project: ask for one with scope.project"
    " (the one that project_id names)"
)

_OVER = (
    "the token is over, cut short, or of another region: get a new one from the"
    " identity service of the endpoint's region"
)

_BY_CODE = {
    **dict.fromkeys(("APIGW.0307", "APIG.1000", "APIG.1001", "APIG.1002"), _OVER),
    **dict.fromkeys(("APIG.1003", "APIG.1007", "APIG.1009"), _SCOPE),
}


def mend_credential(reply: Reply) -> str:
    """Return what to do about a credential that a reply refuses; never empty."""
    if remark := remark_on(reply, skew_s=0.0):
        return remark
    code = canonical(reply.code)
    return _BY_CODE.get(code) or advise(code) or "check the credential"
