"""The content of files beside items: written and read in chunks, so that a process never holds a whole file.

An execution may read a file if it has a `BinaryUse` of it. References in items give no access: a workflow can write any
text into an item.
"""

from executions.binaries.access import FilesOfExecution, NoSuchBinary, find
from executions.binaries.limits import BinaryLimitExceeded
from executions.binaries.reading import BinaryReader
from executions.binaries.sharing import adopt, copy_uses, share
from executions.binaries.streaming import streamed
from executions.binaries.sweeping import sweep
from executions.binaries.writing import CHUNK_BYTES, BinaryWriter

__all__ = [
    "CHUNK_BYTES",
    "BinaryLimitExceeded",
    "BinaryReader",
    "BinaryWriter",
    "FilesOfExecution",
    "NoSuchBinary",
    "adopt",
    "copy_uses",
    "find",
    "share",
    "streamed",
    "sweep",
]
