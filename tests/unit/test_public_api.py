"""``import bulkbind``: every public name resolves, is documented and is typed."""

import ast
import inspect
from importlib.metadata import files
from importlib.resources import files as resources
from pathlib import Path

import pytest

import bulkbind


def test_the_public_api_is_what_it_says_it_is():
    assert set(bulkbind.__all__) == {
        "BulkbindError",
        "JobSettings",
        "JudgedRow",
        "Outcome",
        "Plan",
        "Summary",
        "Verdict",
        "load_job",
        "plan_job",
        "report_rows",
        "resume_run",
        "resume_run_async",
        "run_job",
        "run_job_async",
    }


@pytest.mark.parametrize("name", bulkbind.__all__)
def test_every_public_name_resolves_to_what_bears_it(name):
    assert getattr(bulkbind, name).__name__ == name


@pytest.mark.parametrize("name", bulkbind.__all__)
def test_every_public_name_is_documented(name):
    document = inspect.getdoc(getattr(bulkbind, name))

    assert document
    assert document.splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("name", bulkbind.__all__)
def test_every_public_function_is_typed(name):
    public = getattr(bulkbind, name)
    if inspect.isclass(public):
        return
    signature = inspect.signature(public)

    assert signature.return_annotation is not inspect.Signature.empty
    assert all(
        parameter.annotation is not inspect.Parameter.empty
        for parameter in signature.parameters.values()
    )


def test_the_names_are_told_to_type_checkers_too():
    tree = ast.parse(Path(bulkbind.__file__).read_text())
    told = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }

    assert told == set(bulkbind.__all__)


def test_dir_lists_the_public_names():
    assert dir(bulkbind) == sorted(bulkbind.__all__)


def test_a_name_that_is_not_public_does_not_exist():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        bulkbind.nope  # noqa: B018


def test_a_twin_differs_from_the_other_only_in_being_async():
    for name in ("run_job", "resume_run"):
        sync = getattr(bulkbind, name)
        twin = getattr(bulkbind, f"{name}_async")

        assert inspect.iscoroutinefunction(twin)
        assert inspect.signature(sync) == inspect.signature(twin)


def test_the_marker_for_type_checkers_is_shipped():
    assert resources("bulkbind").joinpath("py.typed").is_file()


def test_the_installed_distribution_is_this_package():
    assert files("bulkbind")
