"""The manifest: CSV, TSV, JSON and JSONL become checked rows with their lines."""

from bulkbind.manifest.pin import PinWriter, read_pin
from bulkbind.manifest.reader import Manifest
from bulkbind.manifest.shape import Shape, Source

__all__ = ["Manifest", "PinWriter", "Shape", "Source", "read_pin"]
