"""A run that is at work: when it must end, and what people ask of it meanwhile.

``hours`` says when it must end, ``orders`` what the files of RUN/control mean, ``folder``
reads and writes them, ``watcher`` obeys beside the engine, ``now`` says what the run is
doing and why it waits.
"""
