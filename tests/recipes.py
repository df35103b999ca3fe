"""What the units and manifests in ``jobs/`` start: commands and their surroundings."""

import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import yaml

import bulkbind as library

JOBS = Path(library.__file__).parent.parent / "jobs"
CLUSTER = JOBS / "cluster"


class Recipe(NamedTuple):
    """A process, as systemd or Kubernetes would start it."""

    command: tuple[str, ...]
    environ: dict[str, str]

    def replaced(self, places: dict[str, str]) -> "Recipe":
        """Return it with texts in place of what patterns find; everywhere."""
        pattern = re.compile("|".join(f"({one})" for one in places))
        texts = list(places.values())

        def put(text: str) -> str:
            return pattern.sub(lambda found: texts[(found.lastindex or 1) - 1], text)

        environ = {name: put(value) for name, value in self.environ.items()}
        return Recipe(tuple(map(put, self.command)), environ)

    def option(self, name: str) -> str:
        """Return what an option is set to; ``--name value`` or ``--name=value``."""
        for word, after in zip(self.command, (*self.command[1:], ""), strict=True):
            if word == name:
                return after
            if word.startswith(f"{name}="):
                return word.removeprefix(f"{name}=")
        raise LookupError(name)


def of_unit(name: str, instance: str = "") -> Recipe:
    """Read a unit; ``instance`` is what stands behind its ``@``."""
    text = re.sub(r"\\\n\s*", "", (CLUSTER / name).read_text())
    text = text.replace("%i", instance).replace("%t", "/run").replace("%S", "/var/lib")
    lines = [line.split("=", 1) for line in text.splitlines() if "=" in line]
    pairs = [value.split("=", 1) for key, value in lines if key == "Environment"]
    environ = dict(pairs)
    (command,) = [value for key, value in lines if key == "ExecStart"]
    for variable, value in environ.items():
        command = command.replace(f"${{{variable}}}", value)
    return Recipe(tuple(shlex.split(command)), environ)


def documents() -> dict[tuple[str, str], Any]:
    """Return the objects of the cluster's manifest, by kind and name."""
    text = (CLUSTER / "kubernetes.yaml").read_text()
    found = [one for one in yaml.safe_load_all(text) if one]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def pod_of(document: Any) -> Any:
    """Return the pod that a Deployment or a CronJob makes."""
    spec = document["spec"]
    return spec.get("jobTemplate", {}).get("spec", spec)["template"]


def of_container(kind: str, name: str) -> Recipe:
    """Read the one container of an object; what comes from Secrets is left out."""
    found = documents()
    (container,) = pod_of(found[kind, name])["spec"]["containers"]
    environ: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            environ |= found["ConfigMap", source["configMapRef"]["name"]]["data"]
    environ |= {one["name"]: one["value"] for one in container.get("env", [])}
    return Recipe(tuple(container["command"]), environ)


def of_page(command: str) -> Recipe:
    """Read a command that the cluster's page shows."""
    text = re.sub(r"\\\n\s*", "", (CLUSTER / "README.md").read_text())
    (line,) = re.findall(rf"^    (?:\w+=\S+ )*({command} .+)$", text, re.MULTILINE)
    return Recipe(tuple(shlex.split(line)), {})


SCHEDULERS = {
    "unit": lambda: of_unit("bulkbind-scheduler.service"),
    "manifest": lambda: of_container("Deployment", "bulkbind-scheduler"),
    "page": lambda: of_page("dask scheduler"),
}
WORKERS = {
    "unit": lambda: of_unit("bulkbind-worker@.service", "account-shop"),
    "manifest": lambda: of_container("Deployment", "bulkbind-worker"),
    "page": lambda: of_page("dask worker"),
}
