"""What the source never does: read code as data, call a shell, believe anybody."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bulkbind

FOLDER = Path(next(iter(bulkbind.__path__)))
SOURCES = sorted(FOLDER.rglob("*.py"))

#: Modules that turn what they read into code, or speak without our session.
NEVER_IMPORTED = {
    *("pickle", "shelve", "marshal", "dill", "cloudpickle", "yaml", "jsonpickle"),
    *("xml", "requests", "httpx", "urllib3", "ftplib", "telnetlib", "netrc"),
    *("urllib.request", "http.client", "code", "runpy", "ctypes"),
}

#: Calls that run a text, or anything by way of a shell.
NEVER_CALLED = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen"),
    *("ssl._create_unverified_context", "ssl.create_default_context"),
    *("tempfile.mktemp", "subprocess.getoutput", "subprocess.getstatusoutput"),
}

#: Keyword arguments that must not have these values, whatever is called.
NEVER_GIVEN = {
    ("shell", "True"),
    ("allow_redirects", "True"),
    ("trust_env", "True"),
    ("ssl", "False"),
    ("verify_ssl", "False"),
    ("check_hostname", "False"),
    ("enable_cleanup_closed", "True"),
}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def faults(text: str) -> list[str]:
    """Return what a source does of all that; hopefully nothing."""
    tree = ast.parse(text)
    found = [
        name
        for name in imports(tree)
        if name in NEVER_IMPORTED or name.partition(".")[0] in NEVER_IMPORTED
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            found += {ast.unparse(node.func)} & NEVER_CALLED
            given = {
                (word.arg or "", ast.unparse(word.value)) for word in node.keywords
            }
            found += [f"{name}={value}" for name, value in given & NEVER_GIVEN]
        if isinstance(node, ast.Assign):
            targets = {
                ast.unparse(target).rpartition(".")[2] for target in node.targets
            }
            value = ast.unparse(node.value)
            found += [f"{t} = {value}" for t in targets if (t, value) in NEVER_GIVEN]
            if value == "ssl.CERT_NONE":
                found.append(value)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(FOLDER)))
def test_no_source_does_it(path):
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        *("import pickle", "from yaml import load", "from urllib import request"),
        *("eval('1')", "subprocess.run('x', shell=True)", "os.system('x')"),
        *("get(url, allow_redirects=True)", "context.check_hostname = False"),
        "context.verify_mode = ssl.CERT_NONE",
    ],
)
def test_it_would_be_seen(text):
    assert faults(text)
