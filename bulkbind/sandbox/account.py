"""Who a sandbox knows, and what each of them may do: frozen values. Pure.

The account that is given nothing lets in the token and the key pair ``sandbox``, the
user ``sandbox`` of the domain ``sandbox``, in any project and region, with every right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from bulkbind.sandbox.records import made_id

#: Of token, access key, secret, user, password and domain.
NAME = "sandbox"


class Grant(NamedTuple):
    """Actions that an identity policy allows. Source: AttachApiToPlugin, SEED."""

    actions: tuple[str, ...]
    """Such as ``apig:plugin:bindApi``; ``*`` stands for any text."""
    tags: Mapping[str, str] = {}
    """Condition ``g:ResourceTag/<key>``: the gateway has each tag with this value."""


#: Every right on every gateway.
EVERYTHING = (Grant(("*",)),)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key pair that signs requests."""

    access: str
    secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    """Must come in ``X-Security-Token``; empty: the key is permanent."""
    expires_ns: int = 0
    """When a temporary key ends, in nanoseconds since the epoch; 0: never."""
    grants: Sequence[Grant] = EVERYTHING


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who gets tokens for a password."""

    name: str
    password: str = field(repr=False)
    domain: str = NAME
    grants: Sequence[Grant] = EVERYTHING


class Project(NamedTuple):
    """A project of the account."""

    project_id: str
    name: str
    """The region's name, or for a sub-project one that begins with it."""
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Credentials, projects and rights."""

    keys: Sequence[AccessKey] = ()
    """Besides ``sandbox``."""
    users: Sequence[User] = ()
    """Besides ``sandbox``."""
    projects: Sequence[Project] = ()
    """Empty: any project there may be, in the region of its name."""
    region: str = ""
    """Where the gateways are; empty: wherever the caller thinks."""
    grants: Sequence[Grant] = EVERYTHING
    """Of who comes as ``sandbox``, or with the sandbox's own token."""
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Tags of the gateways, by instance id."""
    token_life_s: float = 86_400.0
    """Of tokens that its IAM gives out. Source: IAM-TOK."""

    def key(self, access: str) -> AccessKey | None:
        """Find a key by its id."""
        own = AccessKey(NAME, NAME, grants=self.grants)
        known = (*self.keys, own)
        return next((key for key in known if key.access == access), None)

    def user(self, name: str, *, domain: str) -> User | None:
        """Find a user of a domain."""
        known = (*self.users, User(NAME, NAME, grants=self.grants))
        wanted = (name, domain)
        return next((one for one in known if (one.name, one.domain) == wanted), None)

    def project(self, *, project_id: str = "", name: str = "") -> Project | None:
        """Find a project by its id, its name or both; None: there is none."""
        if not project_id and not name:
            return None
        if not self.projects:
            own = made_id("project", name)
            return Project(project_id or own, name, self.region or name)
        for project in self.projects:
            if project_id in {"", project.project_id} and name in {"", project.name}:
                return project
        return None

    def is_here(self, region: str) -> bool:
        """Say whether the gateways are in a region."""
        return not self.region or not region or region == self.region
