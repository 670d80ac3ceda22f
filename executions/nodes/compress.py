from __future__ import annotations

import mimetypes
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from executions.domain.binaries import BINARY, DEFAULT_KEY, OCTETS, FileOfItem, file_name, files_of, with_files
from executions.domain.errors import NodeError
from executions.domain.items import Item, Items
from executions.nodes.archives import MAX_ENTRIES, gunzip_pieces, gzip_pieces, write_zip, zip_entries
from executions.nodes.base import ItemNodeType, NodeContext, Parameters
from executions.nodes.file_access import FileReader, file_of

_MEDIA_TYPES = {"zip": "application/zip", "gzip": "application/gzip"}


class CompressParameters(Parameters):
    operation: Literal["compress", "decompress"] = Field("decompress", title="Operation")
    format: Literal["auto", "zip", "gzip"] = Field(
        "auto", title="Format", description="auto: for compress zip, for decompress what the file is."
    )
    binary: str = Field(
        DEFAULT_KEY,
        title="File",
        description="The key under $binary: for decompress of the archive, for compress of the new file.",
        min_length=1,
        max_length=200,
    )
    files: list[str] = Field(
        [],
        title="Files",
        description="For compress: the keys of the files to pack. If empty, all files of the item.",
        max_length=MAX_ENTRIES,
    )
    name: str = Field(
        "", title="Name", description="For compress: the name of the new file; default archive.zip.", max_length=255
    )
    prefix: str = Field(
        "file_", title="Prefix", description="For decompress: the unpacked files get the keys file_0, file_1 …",
        max_length=100,
    )  # fmt: skip
    each_file: bool = Field(
        False,
        title="Each file",
        description="For decompress: make one item for each file, with the file under the key of the archive.",
    )


class Compress(ItemNodeType[CompressParameters]):
    type = "compress"
    label = "Compress"
    description = "Packs files into a ZIP or gzip file, or unpacks one."
    icon = "archive"
    category = "data"
    Parameters = CompressParameters
    blocking = True
    pure = True

    def run_item(self, context: NodeContext[Any], index: int, item: Item) -> Mapping[str, Items]:
        """Pack or unpack the files of one item."""
        parameters: CompressParameters = context.parameters(index)
        if parameters.operation == "compress":
            return {"main": [_packed(context, parameters, index, item)]}
        return {"main": _unpacked(context, parameters, index, item)}


def _packed(context: NodeContext[Any], parameters: CompressParameters, index: int, item: Item) -> Item:
    held = files_of(item)
    keys = parameters.files or list(held)
    files = {key: file_of(item, key, index, "files") for key in keys}
    if not files:
        raise NodeError(f"parameters.files: the item has no files to pack (item {index}).")
    readers = [context.files.open(file) for file in files.values()]
    kind = "zip" if parameters.format == "auto" else parameters.format
    if kind == "gzip" and len(readers) != 1:
        raise NodeError(f"parameters.files: gzip packs one file, not {len(readers)}; use zip (item {index}).")
    name = parameters.name or ("archive.zip" if kind == "zip" else f"{readers[0].name}.gz")
    with context.files.create(name, _MEDIA_TYPES[kind]) as target:
        if kind == "gzip":
            _copy(context, gzip_pieces(readers[0].chunks()), target.write)
        else:
            for _ in write_zip(target, _by_name(readers)):
                _go_on(context)
        kept = {key: value for key, value in (item.get(BINARY) or {}).items() if key not in files}
        return with_files({**item, BINARY: kept}, {parameters.binary: target.complete()})


def _by_name(readers: list[FileReader]) -> dict[str, FileReader]:
    """Return the files by the name in the archive: a name that occurs again gets a number."""
    named = dict[str, FileReader]()
    for reader in readers:
        stem, dot, ending = reader.name.rpartition(".") if "." in reader.name.strip(".") else (reader.name, "", "")
        name, number = reader.name, 2
        while name in named:
            name, number = f"{stem} ({number}){dot}{ending}", number + 1
        named[name] = reader
    return named


def _unpacked(context: NodeContext[Any], parameters: CompressParameters, index: int, item: Item) -> list[Item]:
    file = context.files.open(file_of(item, parameters.binary, index))
    kind = _kind(file, index) if parameters.format == "auto" else parameters.format
    made = list[FileOfItem]()
    try:
        if kind == "gzip":
            made.append(_stored(context, _unpacked_name(file.name), gunzip_pieces(file)))
        else:
            for path, content in zip_entries(file):
                made.append(_stored(context, path, content))
    except BaseException:
        for each in made:
            context.files.remove(each)
        raise
    kept = {key: value for key, value in item[BINARY].items() if key != parameters.binary}
    source = {**item, BINARY: kept}
    if parameters.each_file:
        return [with_files(source, {parameters.binary: each}) for each in made]
    return [with_files(source, {f"{parameters.prefix}{number}": each for number, each in enumerate(made)})]


def _kind(file: FileReader, index: int) -> str:
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    raise NodeError(f"parameters.binary: {file.name!r} is neither a ZIP archive nor gzip (item {index}).")


def _unpacked_name(name: str) -> str:
    if name.lower().endswith(".tgz"):
        return f"{name[:-4]}.tar"
    return name[:-3] if name.lower().endswith(".gz") else name


def _stored(context: NodeContext[Any], path: str, content: Iterable[bytes]) -> FileOfItem:
    name = file_name(path)
    with context.files.create(name, mimetypes.guess_type(name)[0] or OCTETS) as target:
        _copy(context, content, target.write)
        return target.complete()


def _copy(context: NodeContext[Any], content: Iterable[bytes], write: Any) -> None:
    for piece in content:
        _go_on(context)
        write(piece)


def _go_on(context: NodeContext[Any]) -> None:
    if context.cancelled.is_set():
        raise NodeError("Cancelled.")
