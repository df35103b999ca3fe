"""A credential that was refused -> what to do about it. Pure.

The code says little: one of them, APIGW.0301, has five reasons, and names them in its
text. So the text is looked at here, where it can only choose an advice.
Source: API signing guide, FAQ; apig-contract 3.2, 4.1 and 4.4.
"""

from bulkbind.model import Reply
from bulkbind.retry import advise, canonical

_BY_WORDS = {
    "reach the limit": (
        "the access key is locked, for five minutes after five wrong signatures:"
        " correct the secret key first, then wait"
    ),
    "verify aksk signature": (
        "the secret key is not this access key's, or this machine's clock is wrong"
    ),
    "get secretkey failed": (
        "there is no such access key (any more), or it is a temporary one and its"
        " security token is missing or over"
    ),
    "decrypt token fail": (
        "the token is cut short, or of another region: get one from the identity"
        " service of the endpoint's region"
    ),
    "token expires": "the token is over (it lasts 24 hours): get a new one",
}

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
    text = reply.message.lower()
    for words, remedy in _BY_WORDS.items():
        if words in text:
            return remedy
    code = canonical(reply.code)
    return _BY_CODE.get(code) or advise(code) or "check the credential"
