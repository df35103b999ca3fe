"""Outside text, made safe where it enters."""

import re

#: Longest outside text that is kept, in characters.
MAX_TEXT = 500

#: C0 and C1 controls, line separators, what turns text around or cannot be seen, and
#: halves of surrogate pairs, which no file takes.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]+"
)
#: A header or key that bears a secret, in any quotes, and its value.
_SECRET = re.compile(
    r"(?i)(x-auth-token|x-security-token|x-subject-token|authorization|signature"
    r"|access(?:[_-]?key)?(?:[_-]?id)?|secret[a-z_-]*|password|\btoken)[\\\"']*\s*[:=]\s*"
    r"(?:\"[^\"]*\"?|'[^']*'?"
    r"|(?:(?:bearer|basic|sdk-[a-z0-9-]+|[a-z0-9]+-hmac-[a-z0-9]+)\s+)?[^|,;\s]+)"
)


def scrub(text: str) -> str:
    """Make outside text safe to keep and to show: no secrets, controls or length."""
    if len(text) <= MAX_TEXT and _is_plain(text):
        return text.strip()
    if len(text) > 4 * MAX_TEXT:
        text = text[: 4 * MAX_TEXT]
    text = _UNSAFE.sub(" ", text)
    text = _SECRET.sub(r"\1=***", text).strip()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _is_plain(text: str) -> bool:
    """Tell whether a text surely has nothing to scrub: secrets stand behind a sign."""
    return text.isascii() and text.isprintable() and ":" not in text and "=" not in text


def visible(text: str) -> str:
    r"""Make text safe to show on a terminal, and lose nothing of it.

    Lines stay lines; whatever else a terminal obeys or hides is written as JSON writes
    it (``\u001b``), so that a document stays one.
    """
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    parts = re.split(r"([\n\t])", match[0])
    return "".join(part if part in "\n\t" else _units(part) for part in parts)


def _units(text: str) -> str:
    digits = text.encode("utf-16-be", "surrogatepass").hex()
    return re.sub("....", r"\\u\g<0>", digits)
