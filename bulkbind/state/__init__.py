"""STATE: where runs, holds and locks of jobs are, and how a run at work is reached."""
