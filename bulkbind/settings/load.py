"""Command line over environment over job file over defaults -> ``JobSettings``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkbind.errors import SettingsError
from bulkbind.model import Action
from bulkbind.plan import OnConflict, OnReplace
from bulkbind.settings.accounts import accounts_of
from bulkbind.settings.cluster import check_cluster, cluster_of
from bulkbind.settings.values import (
    SANDBOX,
    JobSettings,
    NotifySettings,
    OnInvalid,
    SandboxSettings,
)

if TYPE_CHECKING:
    from bulkbind.settings.jobfile import JobFile

#: Keys that an environment variable cannot set: they belong to one job.
_NOT_BY_ENVIRONMENT = frozenset({"name", "manifest", "requires"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a command line says on top of a job file."""

    values: Mapping[str, str] = field(default_factory=dict)
    """``section.key`` -> text; ``--set`` and every option that stands for a key."""
    defaults: Mapping[str, str] = field(default_factory=dict)
    """``--default COLUMN=VALUE``"""
    only: tuple[tuple[str, frozenset[str]], ...] = ()
    """``--only COLUMN=V1,V2``"""
    endpoint: str = ""
    """``--endpoint URL|sandbox``"""


def load_job(
    source: Path | None,
    overrides: Overrides,
    *,
    environ: Mapping[str, str],
    needs_manifest: bool = True,
) -> JobSettings:
    """Read a job file or take a manifest as it is, and lay the overrides over it.

    Args:
        source: A job file (``.toml``) or a manifest; None: standard input.
        overrides: From the command line.
        environ: Environment variables; ``BULKBIND_SECTION_KEY`` sets a key.
        needs_manifest: False: a job file that names none is one about an account.

    Raises:
        SettingsError: Every fault found, with path and what is allowed.
    """
    from bulkbind.settings.jobfile import check_job, sections

    is_job = source is not None and source.suffix.lower() == ".toml"
    where = str(source) if is_job else "command line"
    raw = _read_toml(source) if is_job and source is not None else {}
    for section, keys in sections().items():
        for key in keys:
            name = "_".join(filter(None, ("BULKBIND", section, key))).upper()
            if name in environ and key not in _NOT_BY_ENVIRONMENT:
                _lay(raw, section, key, environ[name])
    if "account.region" in overrides.values:
        raw["account"] = {**_table(raw, "account"), "endpoint": ""}
    for path, text in overrides.values.items():
        section, _, key = path.rpartition(".")
        _lay(raw, section, key, text)
    if overrides.defaults:
        raw["defaults"] = {**_table(raw, "defaults"), **overrides.defaults}
    checked = check_job(raw, where=where)
    has_manifest = needs_manifest or bool(checked.manifest) or not is_job
    return _assemble(
        source, checked, overrides, is_job=is_job, has_manifest=has_manifest
    )


#: What an invocation of ``resume`` or of a saved plan may say anew.
_REVISABLE = frozenset(
    {
        "pace.rate",
        "pace.concurrency",
        "retry.max_attempts",
        "retry.timeout",
        "retry.busy_timeout",
        "retry.probe_wait",
        "retry.second_look",
        "stop.max_failed",
        "stop.deadline",
        "stop.window",
        "safety.live_max_age",
        "safety.on_replace",
        "safety.max_replace",
        "safety.verify",
        "report.dir",
        "note",
    }
)


def revise(settings: JobSettings, overrides: Overrides) -> JobSettings:
    """Lay over a planned job what may change without changing the plan.

    Raises:
        SettingsError: Something else was given.
    """
    from bulkbind.settings.jobfile import check_job

    given = set(overrides.values)
    others = sorted(given - _REVISABLE)
    others += [name for name, what in _fixed(overrides) if what]
    if others:
        problem = (
            f"{', '.join(others)}: the plan stands, and only pace, retries, stop rules,"
            " leave to displace, report folder and note can be given anew; start a new"
            " run to change it"
        )
        raise SettingsError([problem])
    raw = _revisable(settings)
    for path, text in overrides.values.items():
        section, _, key = path.rpartition(".")
        _lay(raw, section, key, text)
    job = check_job(raw, where="command line")
    return replace(
        settings,
        rate=job.pace.rate,
        concurrency=job.pace.concurrency,
        max_attempts=job.retry.max_attempts,
        timeout_s=job.retry.timeout,
        busy_timeout_s=job.retry.busy_timeout,
        probe_wait_s=job.retry.probe_wait,
        second_look_s=job.retry.second_look,
        max_failed=job.stop.max_failed,
        deadline=job.stop.deadline,
        window=job.stop.window,
        live_max_age_s=job.safety.live_max_age,
        on_replace=OnReplace(job.safety.on_replace),
        max_replace=job.safety.max_replace,
        verify=job.safety.verify,
        report_dir=_report_dir(settings, job.report.dir, given=given),
        note=job.note,
    )


def ledger_url(text: str, *, where: str = "command line") -> str:
    """Check a database's URL as one from a job file is checked.

    Args:
        text: The URL; empty: there is none.
        where: Where it stands, for people.

    Raises:
        SettingsError: It is none, or holds a password.
    """
    if not text:
        return ""
    from bulkbind.settings.jobfile import check_job

    return check_job({"cluster": {"ledger": text}}, where=where).cluster.ledger


def _report_dir(settings: JobSettings, text: str, *, given: set[str]) -> Path | None:
    """Return where reports go, too; what is given anew starts from here."""
    if "report.dir" not in given:
        return settings.report_dir
    return Path.cwd() / text if text else None


def _revisable(settings: JobSettings) -> dict[str, Any]:
    """Return what may be given anew as a job file would have it."""
    stop: dict[str, object] = {"deadline": settings.deadline, "window": settings.window}
    if settings.max_failed is not None:
        stop["max_failed"] = settings.max_failed
    safety: dict[str, object] = {
        "live": settings.live,
        "live_max_age": settings.live_max_age_s,
        "on_replace": settings.on_replace.value,
        "rebind": settings.rebind,
        "verify": settings.verify,
    }
    if settings.max_replace is not None:
        safety["max_replace"] = settings.max_replace
    return {
        "safety": safety,
        "note": settings.note,
        "pace": {"rate": settings.rate, "concurrency": settings.concurrency},
        "retry": {
            "max_attempts": settings.max_attempts,
            "timeout": settings.timeout_s,
            "busy_timeout": settings.busy_timeout_s,
            "probe_wait": settings.probe_wait_s,
            "second_look": settings.second_look_s,
        },
        "stop": stop,
    }


def _fixed(overrides: Overrides) -> list[tuple[str, bool]]:
    return [
        ("--default", bool(overrides.defaults)),
        ("--only", bool(overrides.only)),
        ("--endpoint", bool(overrides.endpoint)),
    ]


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        problem = f"{path}: no such file; name a job file or a manifest"
    except OSError as error:
        problem = f"{path}: cannot be read ({error.strerror}); see to its permissions"
    except UnicodeDecodeError:
        problem = f"{path}: not UTF-8; save the job file as UTF-8"
    except tomllib.TOMLDecodeError as error:
        problem = f"{path}: not TOML: {error}; correct the line"
    raise SettingsError([problem])


def _table(raw: dict[str, Any], name: str) -> dict[str, Any]:
    table = raw.get(name, {})
    return table if isinstance(table, dict) else {}


def _lay(raw: dict[str, Any], section: str, key: str, text: str) -> None:
    """Put one value over what is there; a list is written with commas."""
    value: object = text
    if (section, key) == ("report", "formats"):
        value = [part.strip() for part in text.split(",") if part.strip()]
    if section:
        raw[section] = {**_table(raw, section), key: value}
    else:
        raw[key] = value


def _assemble(
    source: Path | None,
    job: "JobFile",
    overrides: Overrides,
    *,
    is_job: bool,
    has_manifest: bool,
) -> JobSettings:
    _check_safety(job)
    base = source.resolve().parent if source is not None else Path.cwd()
    here = Path.cwd() if "report.dir" in overrides.values else base
    accounts = accounts_of(job, endpoint=_endpoint(overrides.endpoint), base=base)
    meant = accounts_of(job, endpoint="", base=base).values()
    rehearsal = overrides.endpoint == SANDBOX and any(
        account.endpoint not in {"", SANDBOX} for account in meant
    )
    manifest: tuple[Path | None, ...] = (source,)
    if is_job and has_manifest:
        manifest = _manifest(job, source, base=base)
    name = job.name or (str(source.resolve()) if source is not None else "stdin")
    return JobSettings(
        name=f"{name}@sandbox" if rehearsal else name,
        source=source,
        manifest=manifest if has_manifest else (),
        base=base,
        action=Action.DETACH if job.action == "unbind" else Action.ATTACH,
        encoding=job.encoding,
        note=job.note,
        accounts=accounts,
        defaults=job.defaults,
        columns=job.columns,
        only=overrides.only,
        batch_size=job.plan.batch_size,
        on_invalid=OnInvalid(job.plan.on_invalid),
        on_conflict=OnConflict(job.plan.on_conflict),
        fill_blank=job.plan.fill_blank,
        canary=job.plan.canary,
        canary_check=tuple(job.plan.canary_check),
        canary_timeout_s=job.plan.canary_timeout,
        rate=job.pace.rate,
        concurrency=job.pace.concurrency,
        max_attempts=job.retry.max_attempts,
        timeout_s=job.retry.timeout,
        busy_timeout_s=job.retry.busy_timeout,
        probe_wait_s=job.retry.probe_wait,
        second_look_s=job.retry.second_look,
        max_failed=job.stop.max_failed,
        deadline=job.stop.deadline,
        window=job.stop.window,
        live=job.safety.live,
        live_max_age_s=job.safety.live_max_age,
        on_replace=OnReplace(job.safety.on_replace),
        max_replace=job.safety.max_replace,
        rebind=job.safety.rebind,
        verify=job.safety.verify,
        report_dir=here / job.report.dir if job.report.dir else None,
        report_formats=tuple(job.report.formats),
        notify=_notify(job, base=base),
        ledger=job.cluster.ledger,
        cluster=cluster_of(job, base=base),
        sandbox=SandboxSettings(
            missing=job.sandbox.missing,
            unpublished=job.sandbox.unpublished,
            latency_s=job.sandbox.latency,
            rate=job.sandbox.rate,
            errors=job.sandbox.errors,
            lost=job.sandbox.lost,
            faults=job.sandbox.faults,
            hint=job.sandbox.hint,
            seed=job.sandbox.seed,
        ),
        rehearsal=rehearsal,
    )


def _notify(job: "JobFile", *, base: Path) -> NotifySettings:
    wish = job.notify
    return NotifySettings(
        on=wish.on,
        webhook=wish.webhook,
        slack=wish.slack,
        ping=wish.ping,
        metrics_textfile=base / wish.metrics_textfile
        if wish.metrics_textfile
        else None,
        hooks=tuple(tuple(hook) for hook in wish.hooks),
        hook_timeout_s=wish.hook_timeout,
        pass_env=tuple(wish.pass_env),
    )


def _check_safety(job: "JobFile") -> None:
    """Refuse what cannot be meant together."""
    safety = job.safety
    problems = []
    if job.action == "unbind" and (safety.rebind or not safety.live):
        problems.append(
            "safety: unbind must read what is bound: leave out --no-live and --rebind"
        )
    elif not safety.live and safety.on_replace != "allow":
        problems.append(
            "safety.live = false (--no-live) sends without knowing whom it displaces,"
            " and cannot be undone: it needs --on-replace allow as well"
        )
    if job.plan.canary_check and not job.plan.canary:
        problems.append(
            "plan.canary_check: there is no canary to check; add canary = true"
        )
    problems += check_cluster(job)
    if problems:
        raise SettingsError(problems)


def _endpoint(text: str) -> str:
    """Check an endpoint from the command line as one from a job file is checked."""
    if not text:
        return ""
    from bulkbind.settings.jobfile import check_job

    job = check_job({"account": {"endpoint": text}}, where="--endpoint")
    return job.account.endpoint


def _manifest(job: "JobFile", source: Path | None, *, base: Path) -> tuple[Path, ...]:
    """Find the manifest's files: relative to the job file; a glob is sorted."""
    if not job.manifest:
        problem = f'{source}: no manifest; add manifest = "apis.csv"'
        raise SettingsError([problem])
    names = [job.manifest] if isinstance(job.manifest, str) else job.manifest
    paths: list[Path] = []
    for name in names:
        found = _expand(base, name)
        if not found:
            problem = f"{source}: manifest {name!r} matches no file in {base}"
            raise SettingsError([problem])
        paths += found
    return tuple(paths)


def _expand(base: Path, name: str) -> list[Path]:
    path = base / name
    if path.exists() or not any(letter in name for letter in "*?["):
        return [path]
    if Path(name).is_absolute():
        base, name = Path(path.anchor), str(path.relative_to(path.anchor))
    return sorted(base.glob(name))
