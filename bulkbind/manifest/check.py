"""Checks: is a row's text what it must be; and every reason why it is not."""

import re
from collections.abc import Mapping, Sequence

from bulkbind.errors import Fault
from bulkbind.manifest.faults import Problem, joined, listed, quoted
from bulkbind.manifest.shape import Shape
from bulkbind.model import DEFAULT_ACCOUNT, ID_COLUMNS, NAMED, STAND_INS

#: What an id looks like.
is_id = re.compile(r"[0-9A-Za-z_-]{1,64}").fullmatch

#: Most combinations of ids remembered as sound.
REMEMBERED = 262_144

#: Whether a text says which APIs are meant.
is_selector = re.compile(r"\*|(?:group|tag):\S.*").fullmatch

#: Characters of a name. Source: apig-contract 1.2, plugin_name.
LONGEST_NAME = 255

_SELECTORS = "write group:NAME, tag:NAME, or * for every API published there"

_is_type = re.compile(r"[a-z0-9_]{1,64}").fullmatch
_is_spoiled = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[Ee]\+?[0-9]+").fullmatch
_NOT_IN_ID = re.compile(r"[^0-9A-Za-z_-]")
_OPTIONAL = frozenset({"project_id", "plugin_type"})
_ID_CHARACTERS = "an id is 1-64 of 0-9 A-Z a-z _ -"

Target = tuple[str, ...]
"""A row's ids, without ``api_id``."""


class Checker:
    """Checks rows of one manifest; knows which project each account has.

    Attributes:
        sound: Targets as they came -> their place in ``known``. What is in here need
            not be checked again.
        known: Targets as they are to be used; grows.
    """

    def __init__(self, shape: Shape) -> None:
        self._accounts = shape.accounts
        self._projects = {
            name: (project, "the job gives")
            for name, project in shape.accounts.items()
            if project
        }
        self._fills: Mapping[str, str] = {}
        if shape.fill_blank:
            self._fills = {"account": DEFAULT_ACCOUNT, **shape.defaults}
        self.sound: dict[Target, int] = {}
        self.known: list[Target] = []
        self._numbers: dict[Target, int] = {}

    def check(
        self, ids: Target, *, name: str, line: int, found: Sequence[Problem] = ()
    ) -> tuple[Target, Fault | None]:
        """Return a row's ids, cleaned when they are sound, and the fault if not.

        Args:
            ids: The text of ``ID_COLUMNS``.
            name: The file, as faults show it.
            line: Where the row starts.
            found: What is already known to be wrong.
        """
        told = {problem.column for problem in found}
        cleaned = dict(zip(ID_COLUMNS, map(str.strip, ids), strict=True))
        for column, text in cleaned.items():
            if not text and column in self._fills:
                cleaned[column] = self._fills[column].strip()
        problems = [*found]
        for column, text in cleaned.items():
            if column not in told and (wrong := self.judge(column, text)):
                problems.append(wrong)
        project = self._project(cleaned, problems, where=f"{name}:{line}")
        if problems:
            return ids, joined(problems, name=name, line=line)
        cleaned["project_id"] = project
        checked = tuple(cleaned.values())
        self._remember(ids[:-1], checked[:-1])
        return checked, None

    def judge(self, column: str, text: str) -> Problem | None:
        """Return what is wrong with the text of one column; None: nothing."""
        if column == "account":
            return self._judge_account(text)
        if column == "plugin_type":
            return _judge_type(text)
        if is_id(text) or (not text and column in _OPTIONAL):
            return None
        if text.startswith(NAMED):
            return _judge_name(column, text.removeprefix(NAMED))
        return Problem(column, *_wrong_id(text))

    def _judge_account(self, text: str) -> Problem | None:
        if text in self._accounts:
            return None
        known = f"known are {listed(tuple(self._accounts))}"
        problem = f"{quoted(text)} is not an account of this job; {known}"
        return Problem(
            "account", problem if text else f"is empty; {known}", "name a known account"
        )

    def _project(
        self, row: Mapping[str, str], problems: list[Problem], *, where: str
    ) -> str:
        """Return the project the account stands for; add the problem if it differs."""
        account, project = row["account"], row["project_id"]
        known, says = self._projects.get(account, ("", ""))
        if known and project and project != known:
            text = f"{quoted(project)}, but {says} account {account} {quoted(known)}"
            remedy = "one account has one project: give the row another account"
            problems.append(Problem("project_id", text, remedy))
        elif project and not known and not problems:
            self._projects[account] = (project, f"{where} gave")
            self.sound.clear()
        return known or project

    def _remember(self, raw: Target, checked: Target) -> None:
        if len(self.sound) >= REMEMBERED:
            self.sound.clear()
        number = self._numbers.setdefault(checked, len(self.known))
        if number == len(self.known):
            self.known.append(checked)
        self.sound[raw] = number


def faults_of(shape: Shape) -> list[Fault]:
    """Return what is wrong with the user's mapping and defaults themselves."""
    checker = Checker(shape)
    known = f"there are {', '.join(ID_COLUMNS)}"
    faults = [
        Fault(section, 0, column, "this is not a column that is read", known)
        for section, columns in (
            ("[columns]", shape.columns),
            ("[defaults]", shape.defaults),
        )
        for column in columns
        if column not in ID_COLUMNS
    ]
    for column, text in shape.defaults.items():
        if column in ID_COLUMNS and (wrong := checker.judge(column, text.strip())):
            faults.append(Fault("[defaults]", 0, *wrong))
    return faults


def _judge_name(column: str, text: str) -> Problem | None:
    """Judge a name or selector that stands in for an id."""
    name = next(name for name, stands_for in STAND_INS.items() if stands_for == column)
    if not text:
        return Problem(column, f"is not there, and {name} is empty", f"fill in {name}")
    if len(text) > LONGEST_NAME or not text.isprintable():
        return Problem(column, f"{name} {quoted(text)} is no name", f"correct {name}")
    if column == "api_id" and not is_selector(text):
        return Problem(column, f"apis {quoted(text)} selects nothing", _SELECTORS)
    return None


def _judge_type(text: str) -> Problem | None:
    if not text or _is_type(text):
        return None
    problem = f"{quoted(text)} is not a plug-in type"
    return Problem("plugin_type", problem, "a type is 1-64 of a-z 0-9 _, as in cors")


def _wrong_id(text: str) -> tuple[str, str]:
    """Return what is wrong with the text of an id, and what to do."""
    if not text:
        return "is empty", "fill it in, or give a default and set fill_blank = true"
    if _is_spoiled(text):
        return (
            f"{quoted(text)} is an id that a spreadsheet turned into a number",
            "format the column as text, put the id in again and export once more",
        )
    alien = _NOT_IN_ID.search(text)
    if alien is None:
        return f"{quoted(text)} has {len(text)} characters", _ID_CHARACTERS
    return f"{quoted(text)} holds {_named(alien.group())}", _ID_CHARACTERS


def _named(character: str) -> str:
    if character.isspace():
        return "a blank" if character == " " else f"a blank (U+{ord(character):04X})"
    if character.isascii() and character.isprintable():
        return f"'{character}'"
    return f"{quoted(character)} (U+{ord(character):04X})"
