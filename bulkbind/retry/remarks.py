"""What a refusal's text says beyond its code. It decides nothing; people read it."""

from bulkbind.model import Reply

#: Part of a message in lower case -> what it means. Source: API signing guide, FAQ.
_SAID = {
    "reach the limit": "this access key is locked for five minutes, because it failed"
    " five times: wait, and resume with the right secret",
    "signature fail": "the secret is not the key's, or a proxy changes requests: check"
    " the secret, and copy it anew",
    "get secretkey failed": "there is no such access key, or it is disabled: check its"
    " id in the console under My Credentials",
    "decrypt token": "the token is cut off, or of another region: get it anew from the"
    " identity service of the endpoint's region",
    "token expire": "the token, or the temporary key, has expired: get a new one",
}

#: Seconds that a signature's date may be off. Source: API signing guide.
_MAX_SKEW_S = 900.0

_NOBODY = 401


def remark_on(reply: Reply, skew_s: float) -> str:
    """Return what a person should know of a refused credential; mostly nothing.

    Args:
        reply: Any.
        skew_s: How far the gateway's clock is ahead of this machine's, in seconds.
    """
    if reply.status != _NOBODY or not reply.left:
        return ""
    text = reply.message.lower()
    found = [meaning for part, meaning in _SAID.items() if part in text]
    if abs(skew_s) > _MAX_SKEW_S:
        way = "behind" if skew_s > 0 else "ahead of"
        found.append(
            f"this machine's clock is {abs(skew_s) / 60:,.0f} min {way} the gateway's:"
            " set it (NTP)"
        )
    return "; ".join(found)
