"""What the units and the manifest in ``jobs/cluster`` start works a job together."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives import serialization

from tests.certificates import certify, pem, write
from tests.cluster.machines import free_port
from tests.factories import Binding, read_csv, until
from tests.recipes import CLUSTER, Recipe, of_container, of_unit

TOKENS = {"payments": {"PAY_TOKEN": "sandbox"}, "shop": {"SHOP_TOKEN": "sandbox"}}


INHERITED = ("PATH", "HOME", "PYTHONPATH")


class Site:
    """Starts recipes on this machine, with its own folders, ports and addresses.

    Args:
        folder: Where it all lies.
        stack: Ends what was started.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.health = free_port()
        self._stack = stack
        self._number = 0
        port = free_port()
        self.places = {
            r"scheduler\.example\.com:8786": f"127.0.0.1:{port}",
            "bulkbind-scheduler:8786": f"127.0.0.1:{port}",
            r"\b8786": str(port),
            r"\b8787": str(self.health),
            "/etc/bulkbind/tls": f"{folder}/tls",
            "/etc/bulkbind/job": f"{folder}/job",
            "/var/lib": f"{folder}/lib",
            "/run/": f"{folder}/run/",
            **{
                rf"(?<!\w)/{one}\b": f"{folder}/{one}"
                for one in ("tls", "tmp", "state")
            },
            r"(?<!\w)/job/": f"{folder}/",
        }

    def start(self, recipe: Recipe, **environ: str) -> subprocess.Popen[bytes]:
        """Start a recipe; nothing else of ours is in its environment."""
        self._number += 1
        programme, *arguments = recipe.replaced(self.places).command
        with (self.folder / f"said{self._number}").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", Path(programme).name, *arguments],
                env={
                    **{name: os.environ.get(name, "") for name in INHERITED},
                    **recipe.replaced(self.places).environ,
                    **environ,
                },
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    @property
    def said(self) -> str:
        return "\n".join(one.read_text() for one in self.folder.glob("said*"))


@pytest.fixture
def site(folder):
    """A folder with the job and the certificates, beside what is started."""
    for name in ("job.toml", "apis.csv"):
        shutil.copy(CLUSTER / name, folder)
    (folder / "tls").mkdir()
    authority = certify()
    one = certify("machine", by=authority)
    key = one.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write(folder / "tls/ca.pem", pem(authority))
    write(folder / "tls/cert.pem", pem(one))
    write(folder / "tls/key.pem", key)
    with ExitStack() as stack:
        yield Site(folder, stack)


def start_units(site):
    """One worker for each account, which alone has its credential."""
    site.start(of_unit("bulkbind-scheduler.service"))
    for name, token in TOKENS.items():
        site.start(of_unit("bulkbind-worker@.service", f"account-{name}"), **token)
    run = ("bulkbind", "run", "/etc/bulkbind/job.toml", "--resume", "-q")
    return 2, Recipe(run, {})


def start_pods(site):
    """One worker for both accounts, which is asked how it is."""
    site.start(of_container("Deployment", "bulkbind-scheduler"))
    health = free_port()
    site.places |= {r"\b8788": str(free_port()), r"\b8789": str(health)}
    worker = of_container("Deployment", "bulkbind-worker")
    site.start(worker, **TOKENS["payments"], **TOKENS["shop"])
    until(lambda: is_well(health))
    (site.folder / "state").mkdir()
    return 1, of_container("CronJob", "bulkbind-run")


def is_well(port):
    try:
        with urlopen(f"http://127.0.0.1:{port}/health") as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.parametrize("start", [start_units, start_pods])
def test_what_is_started_works_the_job_over_tls(
    site, start, folder, tmp_path, serve, database
):
    rows = []
    for row in read_csv(folder / "apis.csv"):
        row.pop("account")
        rows.append(Binding(**row))
    with serve(rows) as served:
        text = (folder / "job.toml").read_text()
        for region in ("cn-north-4", "eu-west-101"):
            text = text.replace(f'region = "{region}"', f'endpoint = "{served.url}"')
        text = Recipe((text,), {}).replaced(site.places).command[0]
        (folder / "job.toml").write_text(text)
        workers, recipe = start(site)
        until(lambda: site.said.count("Registered to:") == workers)
        assert is_well(site.health)
        process = site.start(recipe, BULKBIND_CLUSTER_LEDGER=database)
        code = process.wait(60)

        assert code == 0, site.said
        assert served.bound == {row.bound for row in rows}
    assert not (tmp_path / "home").exists()
