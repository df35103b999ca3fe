"""The manifest: CSV, TSV, JSON and JSONL become checked rows with their lines."""

from bulkbind.manifest.pin import PinWriter
from bulkbind.manifest.pinread import read_pin, read_pinned
from bulkbind.manifest.reader import Manifest
from bulkbind.manifest.shape import Shape, Source
from bulkbind.manifest.source import refuse_missing

__all__ = [
    "Manifest",
    "PinWriter",
    "Shape",
    "Source",
    "read_pin",
    "read_pinned",
    "refuse_missing",
]
