"""The units and manifests in ``jobs/`` are sound, and agree with the code."""

import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from bulkbind.cluster.pool import THREADS
from bulkbind.settings import Overrides, load_job
from tests.factories import started
from tests.recipes import (
    CLUSTER,
    JOBS,
    SCHEDULERS,
    WORKERS,
    documents,
    of_container,
    pod_of,
)

UNITS = ("bulkbind-scheduler.service", "bulkbind-worker@.service")
MANIFESTS = ("cluster/kubernetes.yaml", "kubernetes/cronjob.yaml")


def verified(*paths):
    """Return what systemd finds wrong with units whose programs are ours."""
    assert shutil.which("systemd-analyze"), "apt-get install systemd"
    for path in paths:
        ours = str(Path(sys.executable).parent)
        path.write_text(path.read_text().replace("/opt/bulkbind/bin", ours))
    said = subprocess.run(
        ["systemd-analyze", "verify", *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"exit code {said.returncode}: {said.stderr}"


@pytest.fixture
def unit(tmp_path):
    def copy(name):
        return Path(shutil.copy(CLUSTER / name, tmp_path))

    return copy


@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_units(unit, name):
    assert verified(unit(name)) == "exit code 0: "


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize(
    ("sound", "wrong"),
    [
        ("Restart=always", "Restart=allways"),
        ("NoNewPrivileges", "NoNewPrivilege"),
        ("bin/dask", "bin/dusk"),
    ],
)
def test_systemd_does_not_take_a_unit_with_a_fault(unit, name, sound, wrong):
    path = unit(name)
    path.write_text(path.read_text().replace(sound, wrong))

    assert verified(path) != "exit code 0: "


def test_systemd_takes_the_units_of_the_coordinator(tmp_path):
    text = (CLUSTER / "README.md").read_text()
    (line,) = re.findall(r"bulkbind (schedule /etc/.+)", text)
    words = shlex.split(line.replace("/etc/bulkbind", str(CLUSTER)))
    words[words.index("-o") + 1] = "units"
    with started(*words, folder=tmp_path) as process:
        said = process.wait()

    assert said.code == 0, said.err
    made = sorted((tmp_path / "units").iterdir())
    assert [one.name for one in made] == [
        "bulkbind-many.service",
        "bulkbind-many.timer",
    ]
    assert verified(*made) == "exit code 0: "


def faults(text, version):
    """Return what Kubernetes finds wrong with a manifest."""
    found = []
    for document in yaml.safe_load_all(text):
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{document['kind']}: {error.message}")
    return found


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_takes_the_manifests(name, version):
    assert faults((JOBS / name).read_text(), version) == []


@pytest.mark.parametrize(
    ("sound", "wrong"),
    [
        ("readOnlyRootFilesystem", "readOnlyRootFileSystem"),
        ("replicas: 2", "replicas: two"),
        ("containerPort: 8788", "port: 8788"),
        ("concurrencyPolicy", "concurencyPolicy"),
        ("targetPort", "target"),
        ("podSelector:", "selector:"),
        ("defaultMode: 0440", "mode: 0440"),
    ],
)
def test_kubernetes_does_not_take_a_manifest_with_a_fault(sound, wrong):
    text = (CLUSTER / "kubernetes.yaml").read_text()

    assert sound in text
    assert faults(text.replace(sound, wrong), kubernetes_validate.latest_version())


# --- what the code wants --------------------------------------------------------------


@pytest.mark.parametrize("place", WORKERS)
def test_workers_have_the_threads_that_the_code_wants(place):
    assert int(WORKERS[place]().option("--nthreads")) == THREADS


@pytest.mark.parametrize("place", WORKERS)
@pytest.mark.parametrize("part", ["scheduler", "worker"])
def test_dask_takes_the_commands(place, part, tmp_path):
    files = {}
    for name in ("ca.pem", "cert.pem", "key.pem"):
        (tmp_path / name).touch()
        files[rf"[\w/]*\b{re.escape(name)}"] = str(tmp_path / name)
    recipe = {"scheduler": SCHEDULERS, "worker": WORKERS}[part][place]()
    programme, command, *arguments = recipe.replaced(files).command

    assert (Path(programme).name, command) == ("dask", part)
    main = import_module(f"distributed.cli.dask_{part}").main
    context = main.make_context(f"dask {part}", arguments)
    assert {"tls_ca_file", "tls_cert", "tls_key"} <= {
        name for name, value in context.params.items() if value
    }
    assert context.params["dashboard"] is False


def test_workers_say_accounts_of_the_job():
    job = load_job(CLUSTER / "job.toml", Overrides(), environ={})

    for place in WORKERS.values():
        wanted = place().option("--resources").split()
        assert {one.partition("=")[0] for one in wanted} <= {
            f"account-{name}" for name in job.accounts
        }
    assert job.cluster.scheduler in WORKERS["unit"]().command


# --- the manifest in itself -----------------------------------------------------------

PODS = [key for key in documents() if key[0] in {"Deployment", "CronJob"}]


def test_the_service_leads_to_the_scheduler_and_everybody_goes_there():
    found = documents()
    service = found["Service", "bulkbind-scheduler"]["spec"]
    (port,) = service["ports"]
    chosen = [
        (key, pod_of(found[key]))
        for key in PODS
        if service["selector"].items()
        <= pod_of(found[key])["metadata"]["labels"].items()
    ]
    address = f"tls://bulkbind-scheduler:{port['port']}"

    (((_, name), pod),) = chosen
    (container,) = pod["spec"]["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert name == "bulkbind-scheduler"
    assert ports[port["targetPort"]] == int(SCHEDULERS["manifest"]().option("--port"))
    assert address in WORKERS["manifest"]().command
    run = of_container("CronJob", "bulkbind-run")
    assert run.environ["BULKBIND_CLUSTER_SCHEDULER"] == address


@pytest.mark.parametrize("key", PODS, ids=lambda key: key[1])
def test_every_pod_is_shut_in(key):
    pod = pod_of(documents()[key])
    spec = pod["spec"]
    (container,) = spec["containers"]

    assert pod["metadata"]["labels"]["app"] == "bulkbind"  # as the NetworkPolicy has it
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= set(container["resources"])
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in spec["volumes"]}
    if key[0] == "Deployment":
        ports = {one["name"]: one["containerPort"] for one in container["ports"]}
        probed = container["livenessProbe"]["httpGet"]["port"]
        recipe = of_container(*key)
        assert recipe.option("--dashboard-address") == f":{ports[probed]}"
        labels = documents()[key]["spec"]["selector"]["matchLabels"]
        assert labels == pod["metadata"]["labels"]


def test_no_secret_is_in_the_manifest():
    text = (CLUSTER / "kubernetes.yaml").read_text()

    assert "Secret" not in {kind for kind, _ in documents()}
    for key in PODS:
        names = of_container(*key).environ
        assert not [one for one in names if re.search("TOKEN|_AK|_SK|PASS", one)]
    made = set(re.findall(r"create (?:secret generic|configmap) (\S+)", text))
    used = set(re.findall(r"secretRef: \{name: ([\w-]+)", text))
    used |= set(re.findall(r"secretName: ([\w-]+)", text))
    used |= set(re.findall(r"configMap: \{name: ([\w-]+)", text))
    assert made == used
