#!/bin/sh
# The main job on the built-in sandbox, from nothing but Python: makes a venv, installs
# bulkbind, plans, runs, shows the report. A few APIs are missing or unpublished on
# purpose; exits 0 when these, and only these, are what failed.
set -eu
cd "$(dirname "$0")/.."
venv="$(pwd)/.venv-quickstart"
unset PYTHONPATH PYTHONHOME

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check .

state="$(pwd)/jobs/catalogue/.bulkbind"
job=jobs/catalogue/job.toml

echo "\$ bulkbind plan $job"
"$venv/bin/bulkbind" plan "$job"

echo
echo "\$ bulkbind run $job"
code=0
"$venv/bin/bulkbind" run "$job" --rate 100/s || code=$?
if [ "$code" != 1 ]; then
    echo "quickstart: expected exit code 1 (rows failed), got $code" >&2
    exit 1
fi

echo
"$venv/bin/python" jobs/check_report.py "$state"
echo "next: bulkbind report latest --state-dir $state --only verdict=failed"
