"""What a gateway holds: the values, and the questions its rules ask about them.

Pure. ``memory.py`` and ``sqlite.py`` answer the questions; ``state.py`` and
``lists.py`` ask them. Numbers (``no``) are the world's own short names for things and
mean nothing outside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")

#: The environment every gateway has. Source: OTC, ListEnvironments example.
RELEASE_ENV_ID = "DEFAULT_ENVIRONMENT_RELEASE_ID"


class Instance(NamedTuple):
    """A gateway."""

    no: int
    instance_id: str

    @property
    def name(self) -> str:
        """The name made from the id; a world gives no other."""
        return f"apig_{self.instance_id}"


class Plugin(NamedTuple):
    """A plug-in of one gateway."""

    no: int
    plugin_id: str
    plugin_type: str

    @property
    def name(self) -> str:
        """The name made from the id; a world gives no other."""
        return f"plugin_{self.plugin_id}"


class Env(NamedTuple):
    """An environment of one gateway."""

    no: int
    env_id: str

    @property
    def name(self) -> str:
        """``RELEASE``, or a name made from the id."""
        if self.env_id == RELEASE_ENV_ID:
            return "RELEASE"
        return f"env_{self.env_id}".replace("-", "_")[:64]


class Api(NamedTuple):
    """An API of one gateway, and where it is published."""

    no: int
    api_id: str
    envs: tuple[Env, ...]
    """Published there, in the order of ``Env.no``."""

    @property
    def name(self) -> str:
        """The name made from the id; a world gives no other."""
        return f"api_{self.api_id}"


class Slot(NamedTuple):
    """What holds one plug-in type of one (API, environment)."""

    api_no: int
    api_id: str
    published: bool
    plugin_no: int
    """0: nothing is bound."""
    attach_no: int


class Binding(NamedTuple):
    """A plug-in about to be bound to an API in an environment."""

    api_no: int
    attach_no: int
    attached_ns: int
    """Nanoseconds since the epoch, UTC."""


class Bound(NamedTuple):
    """A binding as the lists show it."""

    api: Api
    env: Env
    plugin: Plugin
    attach_no: int
    attached_ns: int


class Window(NamedTuple):
    """Which part of a list is asked for."""

    offset: int
    limit: int


class Page(NamedTuple, Generic[T]):
    """A part of a list, and how long the whole is."""

    total: int
    items: Sequence[T]


class ApiChoice(NamedTuple):
    """Which APIs of a list are wanted; empty means any."""

    api_id: str = ""
    name: str = ""
    exact: bool = False
    """``name`` is the whole name; otherwise part of it, case-sensitive."""
    env: Env | None = None
    """Published there; in a list of bindings: bound there."""


class Shown(Protocol):
    """The lists of bindings, which may lag behind the bindings themselves."""

    def attached_apis(
        self, plugin: Plugin, *, choice: ApiChoice, window: Window
    ) -> Page[Bound]:
        """List a plug-in's bindings, by environment, then by API."""
        ...

    def attachable_apis(
        self, instance: Instance, *, plugin: Plugin, choice: ApiChoice, window: Window
    ) -> Page[Api]:
        """List the APIs published in ``choice.env`` without this plug-in there."""
        ...

    def bindings_of(self, api: Api) -> Sequence[Bound]:
        """List an API's bindings, by environment, then by plug-in type."""
        ...


class World(Shown, Protocol):
    """What the rules need to know, and what they may change.

    Every ``Sequence`` comes in the order of the things' numbers, APIs in lists of
    APIs by their ids.
    """

    def atomic(self) -> AbstractContextManager[None]:
        """Enter a change: durable when it ends, undone when it raises."""
        ...

    def find_instance(self, instance_id: str) -> Instance | None:
        """Find a gateway."""
        ...

    def find_plugin(self, instance: Instance, *, plugin_id: str) -> Plugin | None:
        """Find a plug-in of a gateway."""
        ...

    def find_env(self, instance: Instance, *, env_id: str) -> Env | None:
        """Find an environment of a gateway."""
        ...

    def find_api(self, instance: Instance, *, api_id: str) -> Api | None:
        """Find an API of a gateway."""
        ...

    def instances(self) -> Sequence[Instance]:
        """List the gateways."""
        ...

    def plugins(self, instance: Instance) -> Sequence[Plugin]:
        """List a gateway's plug-ins."""
        ...

    def envs(self, instance: Instance) -> Sequence[Env]:
        """List a gateway's environments."""
        ...

    def apis(
        self, instance: Instance, *, choice: ApiChoice, window: Window
    ) -> Page[Api]:
        """List a gateway's APIs."""
        ...

    def slots(
        self, instance: Instance, *, env: Env, plugin_type: str, api_ids: Sequence[str]
    ) -> Mapping[str, Slot]:
        """Look up the slots of those APIs that exist, by API id."""
        ...

    def kept_weather(self) -> str:
        """Return the text of the weather that belongs to this world; empty: none."""
        ...

    def last_attach_no(self) -> int:
        """Return the number of the newest binding record; 0: none yet."""
        ...

    def bind(self, plugin: Plugin, *, env: Env, bindings: Sequence[Binding]) -> None:
        """Put the plug-in into the slots of its type, whatever was there."""
        ...

    def unbind(self, plugin: Plugin, *, env: Env, api_nos: Sequence[int]) -> None:
        """Take the plug-in out of its slots; where it is not, nothing happens."""
        ...


class PublishedSlot(NamedTuple):
    """One API published in one environment of one gateway."""

    instance_id: str
    env_id: str
    api_id: str


class PluginSeed(NamedTuple):
    """A plug-in that shall exist."""

    instance_id: str
    plugin_id: str
    plugin_type: str


class Planted(NamedTuple):
    """One slot that was made to fail."""

    kind: str
    """``missing``: the API does not exist. ``unpublished``: not published there."""
    instance_id: str
    env_id: str
    api_id: str


class Ground(Protocol):
    """A world that can be filled. Adding what is there changes nothing."""

    def atomic(self) -> AbstractContextManager[None]:
        """Enter a change: durable when it ends, undone when it raises."""
        ...

    def add_slots(self, slots: Sequence[PublishedSlot]) -> None:
        """Make gateways, environments and APIs exist, published as said."""
        ...

    def add_plugins(self, plugins: Iterable[PluginSeed]) -> None:
        """Make plug-ins exist; one that exists keeps its type."""
        ...

    def keep_weather(self, text: str) -> None:
        """Give the world a weather, as ``parse_weather`` reads it; empty: none.

        It holds for every sandbox on this world that is given no other.
        """
        ...

    def published_slots(self) -> Iterator[PublishedSlot]:
        """Yield every published slot, once each, in no promised order."""
        ...

    def planting(self) -> str:
        """Return the parameters of the choice that was planted; empty: none."""
        ...

    def planted(self) -> Sequence[Planted]:
        """Return what was planted, in no promised order."""
        ...

    def plant(self, planted: Sequence[Planted], *, parameters: str) -> None:
        """Remove APIs or publications, and remember them under ``parameters``."""
        ...

    def unplant(self) -> None:
        """Put back all that was planted, and forget the choice."""
        ...
