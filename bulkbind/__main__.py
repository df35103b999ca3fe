"""``bulkbind`` and ``python -m bulkbind``."""

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from bulkbind.cli.main import run

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
