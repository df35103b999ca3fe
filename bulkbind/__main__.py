"""``bulkbind`` and ``python -m bulkbind``."""

import gc
import os
import sys

#: New objects before the collector of garbage looks for cycles: millions of rows make
#: none, and looking as often as it does by itself takes an eighth of plan and report.
COLLECT_AFTER = (50_000, 20, 100)


def main() -> None:
    """Run the command line and exit with its code."""
    from bulkbind.cli.main import run

    gc.set_threshold(*COLLECT_AFTER)
    code = run(sys.argv[1:])
    _let_go_of_output()
    sys.exit(code)


def _let_go_of_output() -> None:
    """Drop what standard output cannot take: Python would exit with 120 for it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
