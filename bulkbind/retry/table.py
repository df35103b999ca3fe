"""Every code that is judged by itself: the table that ``explain`` prints."""

from typing import NamedTuple

from bulkbind.model import OurCode, Scope


class Rule(NamedTuple):
    """How a failure is judged, and what its owner should do."""

    scope: Scope
    meaning: str
    advice: str


_RENEW = (
    "get a new token and resume; given user and password, bulkbind renews it by itself"
)
_RIGHTS = (
    "grant the right that the message names, or else apig:plugin:bindApi with"
    " instance:get, api:get and plugin:get that it depends on (`bulkbind doctor` tries"
    " those to read); then resume"
)
_LATER = "nothing to do: bulkbind tries again"


def _rules(scope: Scope, meaning: str, advice: str, *codes: str) -> dict[str, Rule]:
    return dict.fromkeys(codes, Rule(scope, meaning, advice))


#: Every code that is judged by itself.
RULES: dict[str, Rule] = {
    **_rules(
        Scope.ITEM,
        "the API does not exist on this gateway",
        "correct or drop the API id, or create the API",
        "APIG.3002",
    ),
    **_rules(
        Scope.ITEM,
        "the API is not published in this environment",
        "publish the API to the environment, then run failed.csv",
        "APIG.3707",
        "APIG.3015",
        "APIG.3022",
    ),
    **_rules(
        Scope.ITEM,
        "the API belongs to another gateway or account",
        "check the row's instance_id and account",
        "APIG.1201",
        "APIG.3411",
    ),
    **_rules(
        Scope.ITEM,
        "no right on this API",
        "grant the credential the right on the API",
        "APIG.1102",
    ),
    **_rules(
        Scope.ITEM,
        "a parameter is refused",
        "check the row's ids",
        *(f"APIG.20{number:02}" for number in range(14)),
    ),
    **_rules(
        Scope.TARGET,
        "the plug-in does not exist on this gateway",
        "check plugin_id and instance_id, or create the plug-in",
        "APIG.3068",
    ),
    **_rules(
        Scope.TARGET,
        "the environment does not exist on this gateway",
        "check env_id and instance_id",
        "APIG.3003",
    ),
    **_rules(
        Scope.TARGET,
        "no right on this environment",
        "grant the credential the right on the environment",
        "APIG.1103",
    ),
    **_rules(
        Scope.TARGET,
        "the gateway does not support this plug-in type",
        "upgrade the gateway, or leave this plug-in out",
        "APIG.3458",
    ),
    **_rules(
        Scope.TARGET,
        "the plug-in itself may not be changed so",
        "look at the plug-in in the console; no API of the request is at fault",
        "APIG.3326",
        "APIG.3462",
    ),
    **_rules(
        Scope.GATEWAY,
        "the gateway does not exist",
        "check instance_id, project_id and the endpoint's region",
        "APIG.3030",
        "APIC.7302",
    ),
    **_rules(
        Scope.GATEWAY,
        "the gateway is locked",
        "look at the gateway in the console (an unpaid order locks it), then resume",
        "APIC.7711",
        "APIC.7712",
    ),
    **_rules(
        Scope.GATEWAY,
        "no right on this gateway",
        "grant the credential apig:plugin:bindApi on this gateway, then resume",
        "APIG.1136",
    ),
    **_rules(
        Scope.GATEWAY,
        "the front gateway cannot pass the request on",
        "look at the message; if it does not help, ask the vendor with the request id",
        "APIGW.0106",
        "APIGW.0602",
    ),
    **_rules(
        Scope.ACCOUNT,
        "a right is missing",
        _RIGHTS,
        "APIG.1005",
        "APIG.1020",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the endpoint does not know this operation, or not by this protocol",
        "check the endpoint: scheme, host, region and product",
        "APIGW.0101",
        "APIGW.0607",
    ),
    "APIG.1000": Rule(
        Scope.ACCOUNT,
        "no token came with the request",
        "give a credential that is not empty, and see that no proxy drops headers",
    ),
    "APIG.1001": Rule(
        Scope.ACCOUNT,
        "the token has expired",
        _RENEW,
    ),
    "APIG.1002": Rule(
        Scope.ACCOUNT,
        "the token is wrong, or cannot be read",
        "copy the whole token (the X-Subject-Token header of the identity service), or"
        " get a new one, then resume",
    ),
    "APIGW.0307": Rule(
        Scope.ACCOUNT,
        "the token has expired, or is of another region",
        f"get it from the identity service of the endpoint's region; {_RENEW}",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the token has no project scope",
        "get a token whose scope is the region's project (not a domain's, and not"
        " unscoped), then resume",
        "APIG.1003",
        "APIG.1007",
        "APIG.1009",
    ),
    "APIGW.0310": Rule(
        Scope.ACCOUNT,
        "the project cannot be used",
        "check project_id: it must be one of the endpoint's region and not frozen; left"
        " out, it is looked up",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the account may not use the service",
        "look at the account's state: real name, balance, freeze",
        "APIG.1011",
        "APIG.1012",
        "APIG.1013",
    ),
    **_rules(
        Scope.ACCOUNT,
        "the credential is refused",
        "check key, secret and security token; five failures lock a key for five"
        " minutes",
        "APIGW.0301",
        "APIGW.0303",
        "APIGW.0305",
    ),
    **_rules(
        Scope.ACCOUNT,
        "this user, address or region is not let in",
        "ask who set the access control of the account or of the service endpoint",
        "APIGW.0302",
        "APIGW.0304",
        "APIGW.0306",
        "APIGW.0401",
        "APIGW.0402",
        "APIGW.0801",
        "APIGW.0802",
    ),
    **_rules(Scope.THROTTLE, "too many requests", _LATER, "APIGW.0308", "APIG.9008"),
    **_rules(
        Scope.BUSY,
        "another operation is under way on the gateway",
        _LATER,
        "APIG.3500",
        "APIG.3711",
        "APIG.3718",
        "APIC.7701",
    ),
    **_rules(
        Scope.AMBIGUOUS,
        "the service, or one it depends on, failed",
        "resume when the service is well again",
        "APIG.1010",
        "APIG.1029",
        "APIG.9004",
        "APIG.9005",
        "APIG.9006",
        "APIG.9007",
        "APIG.9999",
        "APIC.9000",
        "APIC.9100",
        "APIC.9999",
        "APIGW.0601",
        "APIGW.0605",
        "APIGW.0606",
        "APIGW.0608",
        "APIGW.0609",
        "APIGW.0610",
        "APIGW.0611",
        "APIGW.0613",
        "APIGW.0705",
    ),
    **_rules(
        Scope.AMBIGUOUS,
        "the answer could not be read",
        "resume; what the gateway did is not known",
        OurCode.REPLY_MALFORMED,
    ),
}

#: Codes of ours that stand in reports and are never answered by a gateway.
OUR_CODES: dict[str, Rule] = {
    OurCode.DUPLICATE: Rule(
        Scope.ITEM, "another line asks for the same binding", "nothing to do"
    ),
    OurCode.SUPERSEDED: Rule(
        Scope.ITEM,
        "another line gives this API a plug-in of the same type",
        "keep one of the two lines",
    ),
    OurCode.INVALID: Rule(
        Scope.ITEM, "the row cannot be sent as it stands", "correct the row"
    ),
    OurCode.NOT_REACHED: Rule(
        Scope.TRANSIENT,
        "no connection could be made",
        "check the endpoint and the network, then resume",
    ),
    OurCode.ANSWER_LOST: Rule(
        Scope.AMBIGUOUS,
        "the request left, and no whole answer came back",
        "resume: sending again is safe",
    ),
    OurCode.NOT_NAMED: Rule(
        Scope.AMBIGUOUS,
        "the gateway's receipt does not name this API",
        "resume: sending again is safe",
    ),
    OurCode.NOT_READ_BACK: Rule(
        Scope.AMBIGUOUS,
        "detached, and not read back as gone",
        "resume, or verify the run",
    ),
    OurCode.API_UNKNOWN: Rule(
        Scope.ITEM,
        "the gateway's list of APIs does not have it",
        "correct or drop the API id, or create the API",
    ),
    OurCode.API_UNPUBLISHED: Rule(
        Scope.ITEM,
        "the gateway's list shows the API as not published in this environment",
        "publish the API to the environment, then run failed.csv",
    ),
    OurCode.INTERRUPTED: Rule(
        Scope.TRANSIENT, "the run ended before it knew", "resume the run"
    ),
    OurCode.STOPPED: Rule(Scope.TRANSIENT, "the run was stopped", "resume the run"),
    OurCode.BUSY_TOO_LONG: Rule(
        Scope.BUSY,
        "the gateway said for too long that it is busy",
        "find out what keeps the gateway busy, then resume",
    ),
    OurCode.OUTAGE: Rule(
        Scope.GATEWAY,
        "the gateway failed too often in a row",
        "resume when the gateway is well again",
    ),
    OurCode.PLUGIN_UNKNOWN: Rule(
        Scope.TARGET,
        "the gateway's list of plug-ins does not have it",
        "check plugin_id and instance_id, or create the plug-in",
    ),
    OurCode.ENV_UNKNOWN: Rule(
        Scope.TARGET,
        "the gateway's list of environments does not have it",
        "check env_id and instance_id",
    ),
    OurCode.NOT_READ: Rule(
        Scope.GATEWAY,
        "what is bound on the gateway could not be read",
        "resume when the gateway can be read again",
    ),
    OurCode.OTHER_BOUND: Rule(
        Scope.ITEM,
        "another plug-in of the same type is bound there, and was left alone",
        "allow replacing it with on_replace, or drop the row",
    ),
    OurCode.CHANGED_SINCE: Rule(
        Scope.ITEM,
        "what is bound was changed since, and was left alone",
        "look who changed it; then bind or undo the row by itself",
    ),
    OurCode.NO_PRE_IMAGE: Rule(
        Scope.ITEM,
        "nobody looked what was bound before, so it cannot be put back",
        "bind what should be there by a run of its own",
    ),
    OurCode.SIGN_IN_REFUSED: Rule(
        Scope.ACCOUNT,
        "the identity service refuses the credential",
        "check user, password and account (domain) name, or the key, and the region;"
        " five wrong passwords lock the user",
    ),
    OurCode.PROJECT_UNKNOWN: Rule(
        Scope.ACCOUNT,
        "the region's project cannot be found",
        "give project_id in [account]; the console shows it under My Credentials",
    ),
    OurCode.CANARY_REFUSED: Rule(
        Scope.CANARY,
        "the target's canary was not accepted, and its other rows were not sent",
        "look at the canary's rows in the report and at canary_check; when they are"
        " well, `bulkbind resume` asks again and goes on (`--failed` sends failed rows"
        " of the canary again); `bulkbind undo` takes the canary back",
    ),
    OurCode.NO_INSTANCE_KEY: Rule(
        Scope.ACCOUNT,
        "the instance's metadata service gives no key",
        "give the instance an agency that may bind plug-ins, or another credential",
    ),
}

#: Codes that refuse the credential itself.
CREDENTIAL_CODES = frozenset(
    {
        *("APIG.1000", "APIG.1001", "APIG.1002", "APIG.1003", "APIG.1007"),
        *("APIG.1009", "APIGW.0301", "APIGW.0302", "APIGW.0303", "APIGW.0304"),
        *("APIGW.0305", "APIGW.0306", "APIGW.0307", "APIGW.0401", "APIGW.0402"),
        *("APIGW.0801", "APIGW.0802"),
        *(OurCode.SIGN_IN_REFUSED, OurCode.PROJECT_UNKNOWN, OurCode.NO_INSTANCE_KEY),
    }
)
