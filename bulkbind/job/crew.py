"""Whether one machine or many work a run, and what that changes while it is planned."""

from collections.abc import Mapping

from bulkbind.auth import Credential
from bulkbind.errors import SettingsError
from bulkbind.job.connecting import find_credentials
from bulkbind.job.errand import Crew, Surroundings
from bulkbind.job.judging import Reader
from bulkbind.settings import JobSettings
from bulkbind.state.folders import StateFolder


def is_for_crew(settings: JobSettings, *, is_undo: bool) -> bool:
    """Tell whether many machines do the work; an undo is done by one."""
    return bool(settings.cluster.scheduler) and not is_undo


def crew_of(around: Surroundings) -> Crew:
    """Return the machines that do the work.

    Raises:
        SettingsError: There is nobody to ask them.
    """
    if around.crew is None:
        problem = "cluster.scheduler: many machines are for the command line"
        raise SettingsError([problem])
    return around.crew


def credentials_of(
    settings: JobSettings, around: Surroundings, *, is_undo: bool = False
) -> Mapping[str, Credential | None]:
    """Find every credential; many machines find theirs for themselves."""
    if is_for_crew(settings, is_undo=is_undo):
        crew_of(around)
        return {}
    return find_credentials(settings, around.environ)


def judge_of(
    settings: JobSettings,
    credentials: Mapping[str, Credential | None],
    state: StateFolder,
    around: Surroundings,
) -> Reader | None:
    """Return who reads while a run is planned; many machines judge it afterwards."""
    if is_for_crew(settings, is_undo=False):
        return None
    return Reader(credentials=credentials, state=state, around=around)
