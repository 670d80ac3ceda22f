"""Files beside items: who may read them, how long they are kept, and how they are downloaded."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient
from django.utils import timezone

from executions import binaries, lifecycle, reruns
from executions.binaries import CHUNK_BYTES, BinaryLimitExceeded, FilesOfExecution, NoSuchBinary
from executions.domain.binaries import FileOfItem, with_files
from executions.models import Binary, BinaryChunk, BinaryUse, Execution, NodeRun, Trigger, Wait, WaitKind
from executions.waits import completion
from tests.engine import COMMITS, make_execution
from tests.security.worlds import World, ask, make_world
from tests.workflows import edge, node

CONTENT = bytes(range(256)) * (2 * CHUNK_BYTES // 256) + b"and the rest"
GRAPH = ([node("start", "manual_trigger"), node("end", "no_op")], [edge("start", "end")])


def files_of(execution: Execution) -> FilesOfExecution:
    return FilesOfExecution(execution.workspace_id, execution.pk)


def write(execution: Execution, content: bytes = CONTENT, name: str = "a.bin") -> FileOfItem:
    with files_of(execution).create(name, "image/png") as file:
        for begin in range(0, len(content), 100_000):
            file.write(content[begin : begin + 100_000])
        return file.complete()


@pytest.mark.django_db
def test_a_file_is_read_as_it_was_written_by_executions_that_use_it() -> None:
    execution, another = make_execution(*GRAPH), make_execution(*GRAPH)
    file = write(execution)
    row = Binary.objects.get(pk=file.reference)
    assert (row.size, bytes(row.sha256 or b"")) == (len(CONTENT), hashlib.sha256(CONTENT).digest())
    assert list(row.chunks.order_by("number").values_list("number", flat=True)) == [0, 1, 2]
    reader = files_of(execution).open(file)
    assert b"".join(reader.chunks()) == CONTENT
    assert reader.read() == CONTENT
    reader.seek(-8, 2)
    assert reader.read(100) == b"the rest"
    assert b"".join(reader.chunks(CHUNK_BYTES - 1, CHUNK_BYTES + 1)) == CONTENT[CHUNK_BYTES - 1 : CHUNK_BYTES + 1]
    assert b"".join(files_of(execution).open(write(execution, b"", "empty")).chunks()) == b""
    for other, reference in ((another, file.reference), (execution, uuid4())):
        with pytest.raises(NoSuchBinary, match="This execution has no file with the reference"):
            files_of(other).open(FileOfItem("", "", 0, reference))


@pytest.mark.django_db
def test_files_are_limited_and_what_is_not_completed_is_deleted(settings: Any) -> None:
    execution = make_execution(*GRAPH)
    settings.BINARY_MAX_BYTES = CHUNK_BYTES + 10
    with pytest.raises(BinaryLimitExceeded, match=r"'a.bin' has more than 262154 bytes, the limit \(BINARY_MAX_BYTES"):
        write(execution)
    assert not BinaryChunk.objects.exists()
    assert not Binary.objects.exists()
    settings.EXECUTION_BINARY_MAX_BYTES = 15
    write(execution, b"ten bytes!")
    with pytest.raises(BinaryLimitExceeded, match=r"have 20 bytes; the limit is 15 \(EXECUTION_BINARY_MAX_BYTES\)"):
        write(execution, b"ten bytes!")
    settings.EXECUTION_BINARY_MAX_COUNT = 1
    with pytest.raises(BinaryLimitExceeded, match=r"has 1 files, the limit \(EXECUTION_BINARY_MAX_COUNT\)"):
        write(execution, b"x")
    assert Binary.objects.count() == 1


@pytest.mark.django_db
def test_files_go_to_reruns_and_children_and_from_a_child_to_its_parent() -> None:
    execution = make_execution(*GRAPH)
    mine, unnamed = write(execution, b"mine"), write(execution, b"unnamed")
    foreign = write(make_execution(*GRAPH), b"foreign")
    run = NodeRun.objects.create(execution=execution, node_id="end", name="End", node_type="no_op")
    child = lifecycle.create_execution(
        workflow=execution.workflow,
        trigger=Trigger.WORKFLOW,
        input=[with_files({"n": 1}, {"a": mine, "b": foreign})],
        parent_run=run,
    )
    assert uses(child) == {mine.reference}
    wait = Wait.objects.create(execution=execution, node_id="end", run_index=0, kind=WaitKind.EXECUTION, child=child)
    made = write(child, b"made by the child")
    items = [with_files({}, {"made": made, "unnamed": foreign})]
    ended = {"status": "completed", "ended_at": timezone.now(), "output": {"main": items}, "output_items": 1}
    NodeRun.objects.create(execution=child, node_id="end", node_type="no_op", **ended)
    Execution.objects.filter(pk=child.pk).update(
        status="completed", ended_at=timezone.now(), follow_up_due=True, parent_run=run
    )
    completion.follow_up_all()
    wait.refresh_from_db()
    assert wait.outcome is not None
    assert wait.outcome["items"] == items
    assert uses(execution) == {mine.reference, unnamed.reference, made.reference}
    Execution.objects.filter(pk=execution.pk).update(status="completed", ended_at=timezone.now())
    execution.refresh_from_db()
    assert uses(reruns.rerun(execution, reruns.RerunRequest(), None)) == uses(execution)


def uses(execution: Execution) -> set[Any]:
    return set(BinaryUse.objects.filter(execution=execution).values_list("binary_id", flat=True))


@pytest.mark.django_db
def test_a_file_without_uses_is_deleted_after_a_day() -> None:
    execution, later = make_execution(*GRAPH), make_execution(*GRAPH)
    file = write(execution)
    binaries.copy_uses([(later.pk, execution.pk)])
    Binary.objects.update(created_at=timezone.now() - timedelta(days=2))
    Execution.objects.filter(pk=execution.pk).delete()
    assert binaries.sweep() == 0
    assert b"".join(files_of(later).open(file).chunks()) == CONTENT
    Execution.objects.filter(pk=later.pk).delete()
    with binaries.BinaryWriter(execution.workspace_id, "new", "text/plain") as new:
        new.write(b"from a request")
        kept = new.complete()
    assert binaries.sweep() == 1
    assert list(Binary.objects.values_list("pk", flat=True)) == [kept.reference]
    assert not BinaryChunk.objects.exclude(binary=kept.reference).exists()
    started = lifecycle.create_execution(
        workflow=execution.workflow, trigger=Trigger.WEBHOOK, input=[], files=[kept.reference, file.reference]
    )
    assert uses(started) == {kept.reference}


@COMMITS
def test_a_file_is_downloaded_whole_or_in_parts_and_never_opens_as_a_page() -> None:
    ours, theirs = make_world("ours"), make_world("theirs")
    execution = Execution.objects.get(pk=ours.ids["execution"])
    with files_of(execution).create('a "ü".html', "text/html; charset=utf-8") as file:
        file.write(CONTENT)
        reference = file.complete().reference
    path = f"/api/executions/{execution.pk}/binaries/{reference}/"
    whole, content = download(ours, path)
    assert (whole.status_code, content) == (200, CONTENT)
    assert whole["Content-Type"] == "text/html; charset=utf-8"
    assert whole["Content-Disposition"] == "attachment; filename*=utf-8''a%20%22%C3%BC%22.html"
    assert whole["X-Content-Type-Options"] == "nosniff"
    assert whole["Content-Security-Policy"] == "sandbox"
    assert (whole["Accept-Ranges"], whole["Content-Length"]) == ("bytes", str(len(CONTENT)))
    for asked, begin, end in (
        ("bytes=0-0", 0, 1),
        (f"bytes={CHUNK_BYTES - 5}-{CHUNK_BYTES + 5}", CHUNK_BYTES - 5, CHUNK_BYTES + 6),
        ("bytes=10-", 10, len(CONTENT)),
        ("bytes=-8", len(CONTENT) - 8, len(CONTENT)),
        ("bytes=5-999999999999", 5, len(CONTENT)),
    ):
        part, content = download(ours, path, Range=asked)
        assert (part.status_code, content) == (206, CONTENT[begin:end]), asked
        assert part["Content-Range"] == f"bytes {begin}-{end - 1}/{len(CONTENT)}"
    for ignored in ("bytes=5-4", "bytes=0-1,3-4", "lines=1-2", "bytes=-"):
        assert download(ours, path, Range=ignored)[1] == CONTENT, ignored
    beyond, _ = download(ours, path, Range=f"bytes={len(CONTENT)}-")
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")
    assert download(ours, path, Range="bytes=0-0", **{"If-Range": '"other"'})[1] == CONTENT
    assert download(ours, path, **{"If-None-Match": whole["ETag"]})[0].status_code == 304
    head = ours.request("HEAD", path)
    assert (head.status_code, head.content, head["Content-Length"]) == (200, b"", str(len(CONTENT)))
    assert ask("", "GET", path).status_code == 401
    assert theirs.request("GET", path).status_code == 404
    other = f"/api/executions/{theirs.ids['execution']}/binaries/{reference}/"
    assert theirs.request("GET", other).status_code == 404


def download(world: World, path: str, **headers: str) -> tuple[Any, bytes]:
    """Return the answer to a viewer, and its content."""

    async def read() -> tuple[Any, bytes]:
        said = {"Authorization": f"Bearer {world.tokens['viewer']}", "Accept": "image/png"} | headers
        answer: Any = await AsyncClient().get(path, headers=said)
        if not answer.streaming:
            return answer, answer.content
        return answer, b"".join([piece async for piece in answer])

    return async_to_sync(read)()
