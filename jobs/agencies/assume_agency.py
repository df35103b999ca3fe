"""Print temporary keys of an agency, as a credential_command prints them.

    python assume_agency.py --iam https://iam.REGION.myhuaweicloud.com \
        --domain ACCOUNT --agency NAME [--minutes 60]

Signs with the access key in HUAWEICLOUD_SDK_AK and _SK, whose user must have the right
iam:agencies:assume (or the role Agent Operator). Nothing is written to a file.
Source: IAM, Obtaining Temporary Access Keys and Security Tokens of an Agency.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import anyio

from bulkbind.auth import Credential, Finder, Signable, ask
from bulkbind.errors import BulkbindError
from bulkbind.http import Answer, Http

PATH = "/v3.0/OS-CREDENTIAL/securitytokens"
CREATED = 201


def body_of(domain: str, agency: str, minutes: int) -> bytes:
    """Return what asks for an agency's keys; they are good for 15 minutes to a day."""
    role = {
        "domain_name": domain,
        "agency_name": agency,
        "duration_seconds": 60 * minutes,
    }
    identity = {"methods": ["assume_role"], "assume_role": role}
    return json.dumps({"auth": {"identity": identity}}).encode()


async def assume(key: Credential, iam: str, body: bytes) -> Answer:
    """Ask the identity service."""
    host = iam.partition("://")[2]
    request = Signable("POST", host, PATH, "", body=body)
    async with Http(timeout_s=20.0, connections=1) as http:
        return await ask(key, http, request, endpoint=iam)


def main() -> int:
    """Print the keys as JSON; or say why there are none, and end with 1."""
    parser = argparse.ArgumentParser(description="Print temporary keys of an agency.")
    parser.add_argument("--iam", required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--agency", required=True)
    parser.add_argument("--minutes", type=int, default=60)
    given = parser.parse_args()
    body = body_of(given.domain, given.agency, given.minutes)
    finder = Finder(environ=os.environ, home=Path.home(), now=time.time)
    try:
        key = finder.find("agencies", source="env:HUAWEICLOUD_SDK_")
        answer = anyio.run(assume, key, given.iam.rstrip("/"), body)
    except BulkbindError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if answer.status != CREATED:
        sys.stderr.write(f"the identity service says {answer.status}\n")
        return 1
    found = json.loads(answer.body)["credential"]
    names = {"ak": "access", "sk": "secret", "security_token": "securitytoken"}
    printed = {name: found[theirs] for name, theirs in names.items()}
    print(json.dumps({**printed, "expires_at": found["expires_at"]}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
