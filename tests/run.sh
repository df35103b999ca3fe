#!/bin/sh
# Every check there is: format, lint, types, layers, all tests; then the wheel,
# installed in an empty venv in an empty folder, runs the job from there.
# Makes its own venv in .venv-tests; PYTHON chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd)
venv="$here/.venv-tests"
unset PYTHONPATH PYTHONHOME

step() { printf '\n== %s\n' "$*"; }

step "tools"
missing=
command -v strace >/dev/null || missing="$missing strace"
command -v zsh >/dev/null || missing="$missing zsh"
command -v fish >/dev/null || missing="$missing fish"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v ip >/dev/null || missing="$missing iproute2"
command -v chromium >/dev/null || missing="$missing chromium"
if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086 # a list of packages
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing || true
fi
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
py="$venv/bin/python"
"$py" -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
"$py" -m pip install --quiet --disable-pip-version-check --group dev --editable . build
"$py" --version

step "format, lint"
"$py" -m ruff format --check .
"$py" -m ruff check .

step "types"
"$py" -m mypy

step "layers"
"$venv/bin/lint-imports"

step "unit and contract rings"
"$py" -m pytest -q --cov --cov-report= tests/unit tests/contract

step "engine, crash and cluster rings"
"$py" -m pytest -q --cov --cov-append --cov-report= tests/engine tests/crash tests/cluster
step "web ring"
"$py" -m pytest -q --cov --cov-append --cov-report= tests/web
"$py" -m coverage report --skip-covered --sort=cover

step "the wheel, from an empty folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$py" -m build --wheel --outdir "$work/dist" . >"$work/build.log" 2>&1 || {
    cat "$work/build.log"
    exit 1
}
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl
mkdir "$work/empty"
cp jobs/catalogue/apis.csv jobs/catalogue/job.toml jobs/check_report.py "$work/empty"
cd "$work/empty"
export BULKBIND_HOST_DIR="$work/host"
code=0
"$work/venv/bin/bulkbind" run job.toml --rate 200/s || code=$?
[ "$code" = 1 ] || { echo "expected exit 1 (planted failures), got $code"; exit 1; }
"$work/venv/bin/python" check_report.py .bulkbind
"$work/venv/bin/bulkbind" report latest -o page.html
grep -q '</html>' page.html || { echo "the page is not whole"; exit 1; }

step "all checks passed"
