"""Masks what proved who asks, wherever an answer echoes it. Pure.

Whoever stands before a gateway may answer with the request, and answers end in logs,
reports and terminals.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

#: Headers whose values are secrets, and what of ``Authorization`` is one.
_SECRET_HEADERS = frozenset({"authorization", "x-auth-token", "x-security-token"})
_SECRET_PART = re.compile(r"(?:Access|Signature)=([^,\s]+)")

#: Shorter values are words, not secrets: masking them would spoil answers.
_SHORTEST = 12

#: By how many of its first characters a secret is known: an echo may be cut off.
_HEAD = 24

#: The rest of a secret in any spelling, as far as it was echoed.
_REST = rb"[\w+/=.%-]*(?:\\+/[\w+/=.%-]*)*"

#: What neither JSON nor an address writes in another way.
_ALIKE = re.compile(r"[0-9A-Za-z_.~-]+")

#: An escape of JSON; the group: the two digits of one that stands for plain ASCII.
_ESCAPE = re.compile(rb"\\(?:u00([2-7][0-9A-Fa-f])|[^u])", re.DOTALL)


class Masks:
    """The secrets of one request.

    Args:
        headers: All that the request is sent with.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        secrets = [secret[:_HEAD] for secret in _secrets(headers)]
        self._heads = {_core(head): _spellings(head) for head in secrets}

    def clean(self, content: bytes) -> bytes:
        r"""Return an answer's body without the secrets.

        ASCII that JSON needs not write as ``\u0041`` is written plainly first, if
        there is any: it means the same. A body without escapes and echoes is not
        copied, only searched, once for each secret: for what every spelling of it
        has in it.
        """
        if self._heads and b"\\" in content and rb"\u00" in content:
            content = _ESCAPE.sub(_plain, content)
        for core, spellings in self._heads.items():
            if _has_all(content, core) and core in content:
                for head in spellings:
                    content = re.sub(re.escape(head) + _REST, b"***", content)
        return content

    def are_absent(self, texts: Iterable[str]) -> bool:
        """Tell whether cleaning would surely change none of some texts."""
        content = "\n".join(texts).encode("utf-8", "surrogateescape")
        return self.clean(content) == content

    def clean_text(self, text: str) -> str:
        """Return a header or a message without the secrets."""
        raw = text.encode("utf-8", "surrogateescape")
        return self.clean(raw).decode("utf-8", "surrogateescape")


def _secrets(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if name.lower() in _SECRET_HEADERS:
            parts = (value, *_SECRET_PART.findall(value))
            yield from (part for part in parts if len(part) >= _SHORTEST)


def _has_all(content: bytes, core: bytes) -> bool:
    """Tell whether every character is there: far cheaper to see than all in a row."""
    return all(map(content.__contains__, core))


def _core(head: str) -> bytes:
    """Return the longest part that is written alike in every spelling; maybe none."""
    return max(_ALIKE.findall(head), key=len, default="").encode()


def _spellings(head: str) -> tuple[bytes, ...]:
    """Return how a head is written: as it is, in JSON (in JSON), in an address."""
    percent = quote(head, safe="")
    lower = re.sub("%..", lambda match: match[0].lower(), percent)
    escaped = (head.replace("/", f"{slashes}/") for slashes in ("\\", r"\\"))
    return tuple({s.encode(): None for s in (head, *escaped, percent, lower)})


def _plain(match: re.Match[bytes]) -> bytes:
    """Write one escape of JSON plainly, if that means the same."""
    character = bytes.fromhex(match[1].decode()) if match[1] else b""
    return match[0] if character in {b"", b'"', b"\\", b"\x7f"} else character
