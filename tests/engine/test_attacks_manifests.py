"""Manifests that are bombs: refused while they are read, in little memory."""

import gzip
import json
import resource
import zlib

import pytest

from tests.factories import Process, binding, runs_in

HEADER = "instance_id,plugin_id,plugin_type,env_id,api_id,owner"
ROW = ",".join(binding())

#: Address space, in bytes, and processor time, in seconds, that a plan may take.
MOST_MEMORY = 1 << 30
MOST_SECONDS = 30


def bounded() -> None:
    """End a process that takes too much, instead of waiting for it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))


def bomb(block: bytes, times: int) -> bytes:
    """Pack a header and a block that comes again and again; the sum is never read."""
    deflate = zlib.compressobj(9, wbits=31)
    start = deflate.compress(f"{HEADER}\n{ROW}\n".encode())
    start += deflate.flush(zlib.Z_FULL_FLUSH)
    # a full flush forgets what was before, so that the same bytes can follow again
    again = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
    return start + again * times


#: Name of the file, what is in it, and what must be said.
BOMBS = {
    "10 GiB of blanks": ("a.csv.gz", bomb(b" \n" * 2**19, 10_240), "expands more"),
    "10 GiB in a line": ("a.csv.gz", bomb(b" " * 2**20, 10_240), ""),
    "a quote without end": ("a.csv", f'{HEADER}\n"'.encode() + b"x\n" * 2**24, ""),
    "deep JSON": ("a.json", b"[" * 2**22, "nested too deeply"),
    "deep JSON in a line": ("a.jsonl", b'{"a":' * 2**22, ""),
    "text without end": ("a.json", b'[{"a": "' + b"x" * 2**27, ""),
    "a number without end": ("a.json", b'[{"a": ' + b"9" * 2**24 + b"}]", ""),
    "a gzip in a gzip": ("a.gz", gzip.compress(gzip.compress(b"x" * 2**20)), ""),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_in_little_memory(folder, state, name):
    file, content, what = BOMBS[name]
    (folder / file).write_bytes(content)

    said = Process("plan", file, folder=folder, prepare=bounded).wait()

    assert said.code == 2, said.err[-2000:]
    assert file in said.err
    assert what in said.err
    assert "Traceback" not in said.err
    assert "MemoryError" not in said.err
    assert len(said.err) < 4000
    assert not state.exists() or runs_in(state) == []


def test_a_row_of_a_million_cells_is_one_bad_row(folder):
    (folder / "a.csv").write_text(f"{HEADER}\n{ROW}\n{',' * 1_000_000}\n")

    said = Process("plan", "a.csv", folder=folder, prepare=bounded).wait()

    assert said.code == 2
    assert "a.csv:3" in said.err
    assert len(said.err) < 4000


def test_an_object_of_many_keys_is_read_in_little_memory(folder):
    keys = {f"k{number}": "x" for number in range(200_000)}
    row = dict(zip(HEADER.split(","), binding(), strict=True))
    (folder / "a.json").write_text(json.dumps([{**row, **keys}]))

    said = Process("plan", "a.json", folder=folder, prepare=bounded).wait()

    assert said.code in {0, 2}, said.err[-2000:]
    assert "MemoryError" not in said.err
