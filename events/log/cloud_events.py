"""An event as a CloudEvent 1.0 in structured mode: what webhooks and replays send."""

from __future__ import annotations

from typing import Any

import orjson

from events.log.recorded import RecordedEvent

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def cloud_event(event: RecordedEvent, stream: str = "", sequence: int = 0, **extensions: Any) -> str:
    """Return the event as JSON text.

    `stream` and `sequence` replace those of the event. `extensions` are further attributes; their names are lower-case
    letters and digits, as the specification requires.
    """
    # No quoted value here can hold a character that JSON escapes; the payload is escaped already.
    head = (
        f'{{"specversion":"1.0","id":"{event.id}","source":"{event.source}","type":"{event.type}",'
        f'"time":"{event.time}","subject":"{event.stream}","datacontenttype":"application/json",'
        f'"stream":"{stream or event.stream}","sequence":{sequence or event.sequence},'
    )
    if event.execution_id:
        head += f'"executionid":"{event.execution_id}",'
    if event.workflow_id:
        head += f'"workflowid":"{event.workflow_id}",'
    if not event.is_live:
        head += f'"mode":"{event.mode}",'
    if extensions:
        head += orjson.dumps(extensions).decode()[1:-1] + ","
    return f'{head}"data":{event.payload}}}'
