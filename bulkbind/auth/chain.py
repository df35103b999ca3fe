"""Where credentials are looked for: the first that is found is used.

For the account ``default``: a token in the environment, a command, the vendor's SDK
variables, Terraform's, the SDK's profile, KooCLI's configuration, and at last, where
this machine says that it is an instance of the cloud, its metadata service. Any other
account names its source. Source: apig-contract 4.5.
"""

import configparser
import json
import math
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import anyio

from bulkbind.auth.clock import ServerClock
from bulkbind.auth.iam import NOWHERE, Iam, Login, login_credential, read_time
from bulkbind.auth.keys import Key
from bulkbind.auth.metadata import (
    MACHINE,
    METADATA_ADDRESS,
    is_instance,
    metadata_credential,
)
from bulkbind.auth.renewing import Fetched, Renewing
from bulkbind.auth.token import Credential, Sender, Token, check_text
from bulkbind.errors import CredentialsMissing, CredentialUnavailable
from bulkbind.model import DEFAULT_ACCOUNT, Secret

#: Where a token for the account ``default`` is read from.
TOKEN_VARIABLE = "BULKBIND_TOKEN"  # noqa: S105 - a name

#: Seconds that a credential command may take.
COMMAND_TIMEOUT_S = 30.0

#: Seconds before its end in which what a command printed is replaced.
_COMMAND_EARLY_S = 300.0

#: Variables of an access key: id, secret, security token, project.
_SDK = ("_AK", "_SK", "_SECURITY_TOKEN", "_PROJECT_ID")
_USER = ("USER_NAME", "USER_PASSWORD", "DOMAIN_NAME")
_TERRAFORM_USER = tuple(f"HW_{end}" for end in _USER)
_TERRAFORM = ("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN", "")


class Texts(NamedTuple):
    """A credential as it was found; a token, a key, or a user; no text: the instance's.

    A user's name and password may hold any character: they travel in a body.
    """

    label: str
    token: str = ""
    access: str = ""
    secret: str = ""
    security_token: str = ""
    project_id: str = ""
    user: str = ""
    password: str = ""
    domain: str = ""
    expires_at: str = ""

    def __repr__(self) -> str:
        return f"Texts({self.label})"


#: The keys that the instance's metadata service gives.
_INSTANCE = Texts("metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """Looks for the credentials of a job's accounts."""

    environ: Mapping[str, str]
    home: Path
    now: Callable[[], float]
    """Seconds since the epoch, as the gateways' clocks have them."""

    machine: Path = MACHINE
    """Where the kernel says what machine this is."""
    metadata: str = METADATA_ADDRESS
    """The instance's metadata service; no setting changes it."""

    def find(
        self,
        account: str,
        *,
        source: str = "",
        command: Sequence[str] = (),
        iam: Iam = NOWHERE,
    ) -> Credential:
        """Find an account's credential.

        Args:
            account: Its name; the environment serves ``default`` only.
            source: ``env:PREFIX_``, ``profile:SECTION`` or ``metadata``; empty: not
                named.
            command: Prints the credential; empty: none does.
            iam: Where a user signs in.

        Raises:
            CredentialsMissing: There is none, or it cannot be used.
        """
        texts = self._find(account, source, command)
        clock = ServerClock(self.now)
        if texts == _INSTANCE:
            return metadata_credential(self.metadata, clock=clock)
        if texts.user:
            login = Login(texts.user, Secret(texts.password), texts.domain)
            return login_credential(login, iam, label=texts.label, clock=clock)
        found = _lasting(texts, clock)
        if not texts.label.startswith("command:"):
            return found.proof
        _refuse_expired(found, account, clock)
        return self._renewing(
            found, lambda: self._command(account, command), clock, account
        )

    def _renewing(
        self,
        first: "_Lasting",
        again: Callable[[], Texts],
        clock: ServerClock,
        account: str,
    ) -> Renewing:
        """Return a credential for which a command is run again when it must be."""

        async def fetch(http: Sender, project_id: str) -> Fetched:
            del http, project_id
            try:
                texts = await anyio.to_thread.run_sync(again)
                found = _lasting(texts, clock)
                _refuse_expired(found, account, clock)
            except CredentialsMissing as error:
                raise CredentialUnavailable(str(error)) from None
            return Fetched(found.proof, found.expires_at)

        return Renewing(
            fetch,
            label=first.proof.label,
            identity=first.proof.identity,
            clock=clock,
            early_s=_COMMAND_EARLY_S,
            held=Fetched(first.proof, first.expires_at),
            project_id=first.proof.project_id,
        )

    def _find(self, account: str, source: str, command: Sequence[str]) -> Texts:
        if source == _INSTANCE.label:
            return _INSTANCE
        if source.startswith("env:"):
            return self._prefixed(account, source.removeprefix("env:"))
        if source.startswith("profile:"):
            return self._profile(account, source.removeprefix("profile:"))
        if account != DEFAULT_ACCOUNT:
            return self._command(account, command)
        found = next(self._anywhere(account, command), None)
        if found is None:
            message = (
                f"no credential for account {account!r}: {TOKEN_VARIABLE} is not set"
                " (a token with project scope), nor HUAWEICLOUD_SDK_AK and _SK, nor"
                " HW_ACCESS_KEY and HW_SECRET_KEY, nor HW_USER_NAME and"
                " HW_USER_PASSWORD, there is no credential_command and no profile, and"
                " this is no instance of the cloud; or try `--endpoint sandbox`"
            )
            raise CredentialsMissing(message)
        return found

    def _anywhere(self, account: str, command: Sequence[str]) -> Iterator[Texts]:
        if token := self.environ.get(TOKEN_VARIABLE, "").strip():
            yield Texts(f"env:{TOKEN_VARIABLE}", token=token)
        if command:
            yield self._command(account, command)
        sdk = tuple(f"HUAWEICLOUD_SDK{end}" for end in _SDK)
        for names in (sdk, _TERRAFORM):
            yield from self._key(names)
        yield from self._user(_TERRAFORM_USER)
        if self._profile_path().is_file():
            yield self._profile(account, "basic")
        yield from self._koocli()
        if is_instance(self.machine):
            yield _INSTANCE

    def _key(self, names: Sequence[str]) -> Iterator[Texts]:
        """Yield an access key from variables, if they are set."""
        access, secret, security_token, project_id = (
            self.environ.get(name, "").strip() for name in names
        )
        if access and secret:
            label = f"env:{names[0]}"
            yield Texts(label, "", access, secret, security_token, project_id)
        elif access or secret:
            there, gone = names[:2] if access else names[1::-1]
            message = f"{there} is set, and {gone} is not; set both, or neither"
            raise CredentialsMissing(message)

    def _user(self, names: Sequence[str]) -> Iterator[Texts]:
        """Yield who signs in, if the variables are set."""
        user, password, domain = (self.environ.get(name, "") for name in names)
        if not user and not password:
            return
        for name, value in zip(names, (user, password, domain), strict=True):
            if not value:
                message = (
                    f"{name} is not set; to sign in takes {', '.join(names)} (the"
                    " account's name)"
                )
                raise CredentialsMissing(message)
        label = f"env:{names[0]}"
        yield Texts(label, user=user, password=password, domain=domain)

    def _prefixed(self, account: str, prefix: str) -> Texts:
        if token := self.environ.get(f"{prefix}TOKEN", "").strip():
            return Texts(f"env:{prefix}TOKEN", token=token)
        names = tuple(f"{prefix.removesuffix('_')}{end}" for end in _SDK)
        for found in self._key(names):
            return found
        users = tuple(f"{prefix}{end}" for end in _USER)
        for found in self._user(users):
            return found
        message = (
            f"no credential for account {account!r}: neither {prefix}TOKEN is set, nor"
            f" {names[0]} and {names[1]}, nor {users[0]} and {users[1]}"
        )
        raise CredentialsMissing(message)

    def _command(self, account: str, command: Sequence[str]) -> Texts:
        label = f"command:{Path(command[0]).name}"
        try:
            done = subprocess.run(  # noqa: S603 - the job's owner says what to run
                list(command),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=COMMAND_TIMEOUT_S,
                check=True,
            )
            return read_credential(done.stdout.decode(), label=label)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            message = (
                f"credential_command of account {account!r} gives no credential"
                f" ({_why(error)}); it must print a token, or JSON with token, with ak"
                " and sk, or with user, password and domain"
            )
            raise CredentialsMissing(message) from None

    def _profile_path(self) -> Path:
        given = self.environ.get("HUAWEICLOUD_SDK_CREDENTIALS_FILE", "")
        return Path(given) if given else self.home / ".huaweicloud" / "credentials"

    def _profile(self, account: str, section: str) -> Texts:
        """Read a section of the SDK's profile."""
        path = self._profile_path()
        parser = configparser.ConfigParser(interpolation=None)
        try:
            with path.open(encoding="utf-8") as file:
                parser.read_file(file)
            values = parser[section]
        except (OSError, configparser.Error, KeyError, UnicodeDecodeError) as error:
            message = (
                f"no credential for account {account!r}: {path} has no section"
                f" [{section}] that can be read ({type(error).__name__})"
            )
            raise CredentialsMissing(message) from None
        if not values.get("ak") or not values.get("sk"):
            message = f"{path}: section [{section}] lacks ak or sk; give both"
            raise CredentialsMissing(message)
        return Texts(
            f"profile:{section}",
            access=values["ak"],
            secret=values["sk"],
            security_token=values.get("security_token", ""),
            project_id=values.get("project_id", ""),
        )

    def _koocli(self) -> Iterator[Texts]:
        """Yield KooCLI's current profile, if it is there and not encrypted."""
        path = self.home / ".hcloud" / "config.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            profiles = {one["name"]: one for one in document["profiles"]}
            current = profiles[document["current"]]
            access, secret = current["accessKeyId"], current["secretAccessKey"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        encrypted = str(document.get("authEncrypt", "true")).lower() != "false"
        if access and secret and not encrypted:
            yield Texts(
                f"koocli:{document['current']}",
                access=access,
                secret=secret,
                security_token=current.get("securityToken") or "",
                project_id=current.get("projectId") or "",
            )


class _Lasting(NamedTuple):
    """A token or key, and until when it is good."""

    proof: Token | Key
    expires_at: float


def _lasting(texts: Texts, clock: ServerClock) -> _Lasting:
    """Make a token or a key of what was found.

    Raises:
        CredentialsMissing: It cannot be one.
    """
    for text in (texts.token, texts.access, texts.secret, texts.security_token):
        check_text(text, label=texts.label)
    check_text(texts.project_id, label=texts.label)
    expires_at = read_time(texts.expires_at) if texts.expires_at else math.inf
    if texts.token:
        token = Token(
            Secret(texts.token), label=texts.label, project_id=texts.project_id
        )
        return _Lasting(token, expires_at)
    key = Key(
        texts.access,
        Secret(texts.secret),
        security_token=Secret(texts.security_token),
        label=texts.label,
        clock=clock,
        project_id=texts.project_id,
    )
    return _Lasting(key, expires_at)


def _refuse_expired(found: _Lasting, account: str, clock: ServerClock) -> None:
    """Refuse what a command printed when it has ended already.

    Raises:
        CredentialsMissing: It has; it would only count as a failure over there.
    """
    if found.expires_at <= clock():
        message = (
            f"credential_command of account {account!r} gives a credential whose"
            " expires_at is past, and it was not sent; let it print a new one, or put"
            " this machine's clock right"
        )
        raise CredentialsMissing(message)


def read_credential(text: str, *, label: str) -> Texts:
    """Read what a credential command printed: a token, or JSON.

    Raises:
        ValueError: It is neither.
    """
    text = text.strip()
    if not text.startswith("{"):
        if not text or len(text.split()) != 1:
            message = "it printed no token"
            raise ValueError(message)
        return Texts(label, token=text)
    document = json.loads(text)
    names = (
        *("token", "ak", "sk", "security_token", "project_id"),
        *("user", "password", "domain", "expires_at"),
    )
    values = [document.get(name) or "" for name in names]
    if not all(isinstance(value, str) for value in values):
        message = "its values are not text"
        raise ValueError(message)
    found = Texts(label, *values)
    if found.expires_at:
        read_time(found.expires_at)
    whole = found.token or (found.access and found.secret)
    if not whole and not (found.user and found.password and found.domain):
        message = (
            "it printed neither token nor ak and sk, nor user, password and domain"
        )
        raise ValueError(message)
    return found


def _why(error: Exception) -> str:
    """Say what went wrong, and nothing of what a command printed."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"it ended with {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took more than {COMMAND_TIMEOUT_S:g} s"
    if isinstance(error, OSError):
        return error.strerror or "it cannot be started"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return "what it printed cannot be read"
    return str(error)
