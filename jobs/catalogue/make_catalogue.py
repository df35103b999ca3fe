"""Make the catalogue manifest from the operations of a public cloud.

Two steps. The first reads service, operation, method and path out of installed
Huawei Cloud SDK packages and writes ``operations.csv``; it parses the packages
and never imports them. The second makes ``apis.csv`` from that file alone, so
it needs neither the packages nor a network::

    python make_catalogue.py --packages > packages.txt
    pip install --no-deps --target sdk -r packages.txt
    python make_catalogue.py --sdk sdk
    python make_catalogue.py --from operations.csv --check
"""

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import io
import sys
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SDK_VERSION = "3.1.219"
PACKAGE_PREFIX = "huaweicloudsdk"
BUILDER_SUFFIX = "_http_info"
"""The SDK builds each request in one function whose name ends so."""
REPLY_SUFFIX = "Response"
"""Each operation's reply type is the operation's name and this word."""

RELEASE = "DEFAULT_ENVIRONMENT_RELEASE_ID"
STAGING = "staging"
READS = frozenset({"GET", "HEAD"})
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

REPEAT_EVERY = 300
"""About one binding in so many is pasted a second time a few lines later."""
REPEAT_DISTANCE = 12
"""Lines between a binding and its stray copy."""
PASTED_SERVICE, PASTED_ROWS, PASTED_FROM_END = "ces", 48, 150
"""A block of one service's rows is pasted again this far from the end."""


@dataclass(frozen=True, slots=True, order=True)
class Operation:
    """One operation of a public service: a line of ``operations.csv``."""

    service: str
    operation: str
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Row:
    """One binding somebody asks for: a line of ``apis.csv``."""

    instance_id: str
    plugin_id: str
    plugin_type: str
    env_id: str
    api_id: str
    api_name: str
    method: str
    uri: str
    service: str
    owner: str


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service's APIs are published, and whose they are."""

    gateway: str
    owner: str
    is_staged: bool = True
    """Whether its APIs are published in staging too."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which operations a plug-in family is for."""

    plugin_type: str
    methods: frozenset[str]
    environments: tuple[str, ...]
    services: frozenset[str] | None = None
    """Only these services; None for every one."""

    def covers(self, operation: Operation) -> bool:
        """Tell whether the family is for this operation."""
        return operation.method in self.methods and (
            self.services is None or operation.service in self.services
        )


SERVICES = {
    "aom": Service("platform", "team-observability"),
    "apig": Service("platform", "team-integration"),
    "as": Service("core", "team-compute"),
    "cbr": Service("data", "team-storage"),
    "cce": Service("core", "team-containers"),
    "cdn": Service("platform", "team-edge"),
    "ces": Service("platform", "team-observability"),
    "cts": Service("platform", "team-governance", is_staged=False),
    "dcs": Service("data", "team-caching"),
    "dds": Service("data", "team-databases"),
    "dns": Service("platform", "team-edge"),
    "ecs": Service("core", "team-compute"),
    "eip": Service("core", "team-network"),
    "elb": Service("core", "team-network"),
    "evs": Service("core", "team-storage"),
    "functiongraph": Service("core", "team-serverless"),
    "gaussdb": Service("data", "team-databases"),
    "iam": Service("platform", "team-identity"),
    "ims": Service("core", "team-compute"),
    "kafka": Service("data", "team-messaging"),
    "kms": Service("platform", "team-identity", is_staged=False),
    "lts": Service("platform", "team-observability"),
    "nat": Service("core", "team-network"),
    "rabbitmq": Service("data", "team-messaging"),
    "rds": Service("data", "team-databases"),
    "sfsturbo": Service("data", "team-storage"),
    "smn": Service("platform", "team-messaging"),
    "swr": Service("core", "team-containers"),
    "vpc": Service("core", "team-network"),
    "vpn": Service("core", "team-network"),
}

RULES = (
    Rule("cors", READS, (RELEASE, STAGING)),
    Rule("jwt_auth", WRITES, (RELEASE, STAGING)),
    Rule("kafka_log", frozenset({"DELETE"}), (RELEASE,)),
    Rule("rate_limit", READS | WRITES, (RELEASE,)),
    Rule(
        "set_resp_headers",
        READS,
        (RELEASE,),
        frozenset({"apig", "cdn", "dns", "gaussdb", "iam", "rds", "swr", "vpc"}),
    ),
)
"""One rule for each plug-in type, so no slot is claimed twice."""


def derive_id(*names: str) -> str:
    """Return the 32 lower-hex characters that stand for these names."""
    name = "/".join(("bulkbind", "catalogue", *names))
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def packages() -> list[str]:
    """List the packages to install, pinned, in the form pip takes."""
    return [f"{PACKAGE_PREFIX}{service}=={SDK_VERSION}" for service in SERVICES]


def read_sdk(folder: Path) -> list[Operation]:
    """Collect every operation of every catalogued service, sorted.

    Args:
        folder: What ``pip install --target`` filled.

    Raises:
        ValueError: A package is absent, or is not written the way we read.
    """
    found: set[Operation] = set()
    for service in SERVICES:
        package = folder / f"{PACKAGE_PREFIX}{service}"
        clients = sorted(package.glob(f"v*/{service}_client.py"))
        if not clients:
            message = f"{package}: no client found; install it (see --packages)"
            raise ValueError(message)
        for client in clients:
            found.update(read_client(client, service=service))
    return sorted(found)


def read_client(client: Path, *, service: str) -> Iterator[Operation]:
    """Yield the operations that one SDK client file describes."""
    tree = ast.parse(client.read_text(encoding="utf-8"), filename=str(client))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.endswith(BUILDER_SUFFIX):
            request = find_request(node)
            if request is not None:
                yield operation_of(request, service=service, client=client)


def find_request(builder: ast.FunctionDef) -> dict[str, str] | None:
    """Return the text entries of the literal that names the path, if any."""
    for node in ast.walk(builder):
        if isinstance(node, ast.Dict):
            entries = text_entries(node)
            if "resource_path" in entries:
                return entries
    return None


def text_entries(literal: ast.Dict) -> dict[str, str]:
    """Return the entries of a dict literal whose key and value are text."""
    return {
        key.value: value.value
        for key, value in zip(literal.keys, literal.values, strict=True)
        if isinstance(key, ast.Constant)
        and isinstance(value, ast.Constant)
        and isinstance(key.value, str)
        and isinstance(value.value, str)
    }


def operation_of(request: dict[str, str], *, service: str, client: Path) -> Operation:
    """Name the operation that a request's entries describe.

    Raises:
        ValueError: An entry is absent or is not what the catalogue knows.
    """
    reply, method = request.get("response_type", ""), request.get("method", "")
    path = request["resource_path"]
    is_known = method in READS | WRITES and path.startswith("/")
    if not is_known or not reply.endswith(REPLY_SUFFIX):
        message = f"{client}: cannot read {method!r} {path!r} {reply!r}"
        raise ValueError(message)
    return Operation(service, reply.removesuffix(REPLY_SUFFIX), method, path)


def read_operations(source: Path) -> list[Operation]:
    """Read ``operations.csv`` back, sorted.

    Raises:
        ValueError: The columns or a service are not the catalogue's.
    """
    columns = column_names(Operation)
    with source.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))
    if rows[:1] != [columns] or any(len(row) != len(columns) for row in rows):
        message = f"{source}: every line must hold {', '.join(columns)}, a header first"
        raise ValueError(message)
    operations = sorted(Operation(*row) for row in rows[1:])
    unknown = {operation.service for operation in operations} - SERVICES.keys()
    if unknown:
        message = f"{source}: no gateway is given for {sorted(unknown)}"
        raise ValueError(message)
    return operations


def make_manifest(operations: Sequence[Operation]) -> list[Row]:
    """Write down what a platform team would ask for, repeats included."""
    rows = [row for operation in operations for row in bind_operation(operation)]
    return paste_block(scatter_repeats(rows))


def bind_operation(operation: Operation) -> Iterator[Row]:
    """Yield an API's bindings, release first, then by plug-in type."""
    is_staged = SERVICES[operation.service].is_staged
    for environment in (RELEASE, STAGING) if is_staged else (RELEASE,):
        for rule in RULES:
            if environment in rule.environments and rule.covers(operation):
                yield make_row(operation, rule.plugin_type, environment=environment)


def make_row(operation: Operation, plugin_type: str, *, environment: str) -> Row:
    """Give one binding its ids.

    A plug-in and an environment belong to one gateway, so their ids are
    derived from its name too; only the release environment is a constant.
    """
    service = SERVICES[operation.service]
    staging_id = derive_id("environment", service.gateway, STAGING)
    return Row(
        instance_id=derive_id("gateway", service.gateway),
        plugin_id=derive_id("plugin", service.gateway, plugin_type),
        plugin_type=plugin_type,
        env_id=RELEASE if environment == RELEASE else staging_id,
        api_id=derive_id("api", *astuple(operation)),
        api_name=operation.operation,
        method=operation.method,
        uri=operation.path,
        service=operation.service,
        owner=service.owner,
    )


def scatter_repeats(rows: Sequence[Row]) -> list[Row]:
    """Paste a few bindings a second time, some lines after the first."""
    strays = {at: row for at, row in enumerate(rows) if is_pasted_twice(row)}
    result: list[Row] = []
    for at, row in enumerate(rows):
        result.append(row)
        if at - REPEAT_DISTANCE in strays:
            result.append(strays[at - REPEAT_DISTANCE])
    return result


def is_pasted_twice(row: Row) -> bool:
    """Choose about one row in ``REPEAT_EVERY``, always the same ones."""
    chosen = derive_id("repeat", row.plugin_id, row.env_id, row.api_id)
    return int(chosen, 16) % REPEAT_EVERY == 0


def paste_block(rows: Sequence[Row]) -> list[Row]:
    """Paste one service's first rows again near the end of the file."""
    block = [row for row in rows if row.service == PASTED_SERVICE][:PASTED_ROWS]
    cut = max(len(rows) - PASTED_FROM_END, 0)
    return [*rows[:cut], *block, *rows[cut:]]


def column_names(record: type[Operation | Row]) -> list[str]:
    """Return a record's columns in file order."""
    return [field.name for field in fields(record)]


def as_csv(record: type[Operation | Row], rows: Iterable[Operation | Row]) -> bytes:
    """Return the file's exact bytes: UTF-8, one header, lines end in LF."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(column_names(record))
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue().encode()


def write_files(files: dict[Path, bytes]) -> int:
    """Write every file and return the exit code."""
    for path, content in files.items():
        path.write_bytes(content)
        sys.stdout.write(f"{path.name}: {len(content.splitlines()) - 1} rows\n")
    return 0


def check_files(files: dict[Path, bytes]) -> int:
    """Return 1, naming the files, if one on disk is not what we would write."""
    stale = [
        path.name
        for path, content in files.items()
        if not path.is_file() or path.read_bytes() != content
    ]
    for name in stale:
        sys.stdout.write(f"{name} is not what this script would write\n")
    return 1 if stale else 0


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make operations.csv and apis.csv.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--packages", action="store_true", help="print the SDK packages to install"
    )
    source.add_argument(
        "--sdk", type=Path, metavar="DIR", help="read the packages installed here"
    )
    source.add_argument(
        "--from", dest="operations", type=Path, metavar="FILE", help="read this list"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file differs"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps that were asked for and return the exit code."""
    options = parse_arguments(arguments)
    if options.packages:
        sys.stdout.writelines(f"{package}\n" for package in packages())
        return 0
    here = Path(__file__).resolve().parent
    files: dict[Path, bytes] = {}
    try:
        if options.sdk is not None:
            operations = read_sdk(options.sdk)
            files[here / "operations.csv"] = as_csv(Operation, operations)
        else:
            operations = read_operations(options.operations)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"make_catalogue: {error}\n")
        return 2
    files[here / "apis.csv"] = as_csv(Row, make_manifest(operations))
    return check_files(files) if options.check else write_files(files)


if __name__ == "__main__":
    sys.exit(main())
