"""The rows of a trace page: in causal order, with links and a position on a common time axis. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from workflow_platform.templatetags.words import mode_text, status_text, trigger_text

Kind = Literal["inbound", "execution", "node_run", "event", "delivery", "attempt"]

# The status colour of each outcome.
_COLOURS = {
    "delivered": "completed", "retry": "waiting", "failed": "failed", "lost": "waiting", "sending": "running",
    "pending": "pending", "cancelled": "cancelled",
}  # fmt: skip
_OUTCOMES: dict[str, str | Promise] = {"retry": gettext_lazy("retry"), "lost": gettext_lazy("lost")}
"""Of attempts, besides those that are statuses."""


@dataclass(slots=True)
class Row:
    """A row. `status` is the text, `colour` the status whose colour is used."""

    kind: Kind
    id: str
    depth: int
    title: str
    href: str
    began: datetime | None = None
    ended: datetime | None = None
    status: str = ""
    colour: str = ""
    detail: str = ""
    error: str = ""
    links: list[tuple[str, str]] = field(default_factory=list)
    """Links to further pages: (label, URL)."""
    focus: bool = False
    icon: str = "dot"
    left: float = 0
    """The start of its bar, in percent of the whole; `width` is its width."""
    width: float = 0
    took_ms: float | None = None

    @property
    def anchor(self) -> str:
        return f"{self.kind}-{self.id}"


@dataclass(frozen=True, slots=True)
class Pages:
    """Functions that return the URLs of the objects' pages, and the URL of the events page."""

    execution: Any
    workflow: Any
    inbound: Any
    delivery: Any
    endpoint: Any
    events: str


def rows_of(trace: Mapping[str, Any], pages: Pages, focus: tuple[str, str]) -> list[Row]:
    """Return the rows of a trace; `focus` is the kind and id of the highlighted object."""
    rows = list(_RowBuilder(trace, pages).rows())
    for row in rows:
        row.focus = (row.kind, row.id) == focus
    _position(rows)
    return rows


class _RowBuilder:
    def __init__(self, trace: Mapping[str, Any], pages: Pages) -> None:
        self._pages = pages
        self._executions = {execution["id"]: execution for execution in trace["executions"]}
        self._visited: set[str] = set()
        self._reruns: dict[str, list[dict[str, Any]]] = {}
        self._loose = trace["loose"]
        for rerun in trace["reruns"]:
            self._reruns.setdefault(rerun["rerun_of"], []).append(rerun)

    def rows(self) -> Iterator[Row]:
        for request in self._loose["inbound"]:
            yield self._inbound(request, 0)
        for execution in self._executions.values():
            if execution["parent"] not in self._executions:
                yield from self._execution(execution, 0)
        yield from self._caused(self._loose, 0)

    def _execution(self, execution: dict[str, Any], depth: int) -> Iterator[Row]:
        if execution["id"] in self._visited:
            return
        self._visited.add(execution["id"])
        for request in execution["inbound"]:
            yield self._inbound(request, depth)
        depth += bool(execution["inbound"])
        path = self._pages.execution(execution["id"])
        version = f"{self._pages.workflow(execution['workflow'])}?version={execution['workflow_version']}"
        links = [(_("workflow"), version)]
        if execution["rerun_of"]:
            label = _("rerun of …%(id)s") % {"id": execution["rerun_of"][-8:]}
            links.append((label, self._pages.execution(execution["rerun_of"])))
        links += [
            (
                _("rerun …%(id)s (%(status)s)") % {"id": rerun["id"][-8:], "status": status_text(rerun["status"])},
                self._pages.execution(rerun["id"]),
            )
            for rerun in self._reruns.get(execution["id"], [])
        ]
        yield Row(
            "execution", execution["id"], depth, execution["workflow_name"], path,
            _time(execution["started_at"] or execution["queued_at"]), _time(execution["ended_at"]),
            status_text(execution["status"]), execution["status"],
            f"v{execution['workflow_version']} · {_how(execution)} · …{execution['id'][-8:]}",
            execution["error"] or "", links, icon="executions",
        )  # fmt: skip
        yield from self._caused({"events": [e for e in execution["events"] if _first(e)], "deliveries": []}, depth + 1)
        for run in execution["node_runs"]:
            yield from self._node_run(run, path, depth + 1)
        for child in self._executions.values():
            if child["parent"] == execution["id"]:
                yield from self._execution(child, depth + 1)
        later = [e for e in execution["events"] if not _first(e)]
        yield from self._caused({"events": later, "deliveries": execution["deliveries"]}, depth + 1)

    def _node_run(self, run: dict[str, Any], path: str, depth: int) -> Iterator[Row]:
        number = f" #{run['run_index'] + 1}" if run["run_index"] else ""
        details = [run["node_type"], _("attempt %(number)s") % {"number": run["attempt"]} if run["attempt"] > 1 else ""]
        details += [_("from cache") if run["from_cache"] else "", _("reused") if run["taken_from"] else ""]
        query = urlencode({"node": run["node"], "run": run["run_index"]})
        yield Row(
            "node_run", run["id"], depth, f"{run['name']}{number}", f"{path}?{query}",
            _time(run["started_at"]), _time(run["ended_at"]), status_text(run["status"]), run["status"],
            " · ".join(filter(None, details)), run["error"] or "", icon="dot",
        )  # fmt: skip
        yield from self._caused({"events": [], "deliveries": run["deliveries"]}, depth + 1)
        for child in run["children"]:
            yield from self._execution(self._executions[child], depth + 1)
        yield from self._caused({"events": run["events"], "deliveries": []}, depth + 1)

    def _caused(self, holder: Mapping[str, Any], depth: int) -> Iterator[Row]:
        for event in holder["events"]:
            query = urlencode({k: v for k, v in (("type", event["type"]), ("execution", event["execution"])) if v})
            detail = f"{event['stream'].split(':')[0]} #{event['sequence']}"
            at = _time(event["time"])
            yield Row(
                "event", event["id"], depth, event["type"], f"{self._pages.events}?{query}", at, at, detail=detail,
                icon="events",
            )  # fmt: skip
            for delivery in event["deliveries"]:
                yield from self._delivery(delivery, depth + 1)
        for delivery in holder["deliveries"]:
            yield from self._delivery(delivery, depth)

    def _delivery(self, delivery: dict[str, Any], depth: int) -> Iterator[Row]:
        path = self._pages.delivery(delivery["id"])
        target = delivery["endpoint_name"] or delivery["url"] or _("deleted endpoint")
        links = [(_("endpoint"), self._pages.endpoint(delivery["endpoint"]))] if delivery["endpoint"] else []
        details = [delivery["url"] if delivery["endpoint_name"] else delivery["method"]]
        if delivery["attempts_made"] > 1:
            made = delivery["attempts_made"]
            details.append(ngettext("%(number)s attempt", "%(number)s attempts", made) % {"number": made})
        if earlier := delivery["earlier_attempts"]:
            details.append(_("%(number)s earlier attempts on its page") % {"number": earlier})
        failed = delivery["status"] in {"failed", "cancelled"} or (delivery["error"] and not delivery["ended_at"])
        yield Row(
            "delivery", delivery["id"], depth, target, path, _time(delivery["created_at"]), _time(delivery["ended_at"]),
            status_text(delivery["status"]), _COLOURS.get(delivery["status"], ""), " · ".join(filter(None, details)),
            delivery["error"] if failed else "", links, icon="send",
        )  # fmt: skip
        for attempt in delivery["attempts"]:
            yield self._attempt(attempt, path, depth + 1)

    def _attempt(self, attempt: dict[str, Any], path: str, depth: int) -> Row:
        code = attempt["status_code"]
        began = _time(attempt["started_at"])
        row = Row(
            "attempt", attempt["id"], depth, _("Attempt %(number)s") % {"number": attempt["number"]},
            f"{path}#attempt-{attempt['number']}",
            began, began, str(code) if code else attempt["error_class"] or _outcome_text(attempt["outcome"]),
            _COLOURS.get(attempt["outcome"], ""), attempt["response"] or "",
            attempt["error"] if attempt["outcome"] != "delivered" else "", icon="right",
        )  # fmt: skip
        row.took_ms = attempt["total_ms"]
        return row

    def _inbound(self, request: dict[str, Any], depth: int) -> Row:
        at = _time(request["received_at"])
        size = _("%(number)s bytes") % {"number": request["body_bytes"]}
        return Row(
            "inbound", request["id"], depth, f"{request['method']} /hooks/{request['path']}",
            self._pages.inbound(request["id"]), at, at, str(request["status_code"]),
            "completed" if request["accepted"] else "failed",
            " · ".join(filter(None, [request["address"], size, request["message_id"]])),
            request["reason"] or "", icon="hook",
        )  # fmt: skip


def _how(execution: Mapping[str, Any]) -> str:
    """Return how an execution was started, with its mode unless it is live."""
    trigger = trigger_text(execution["trigger"])
    return trigger if execution["mode"] == "live" else f"{trigger}, {mode_text(execution['mode'])}"


def _outcome_text(outcome: str) -> str:
    return str(_OUTCOMES.get(outcome) or status_text(outcome))


def _first(event: Mapping[str, Any]) -> bool:
    """Return whether an event of an execution precedes its node runs."""
    return event["type"] in {"execution.queued", "execution.started"}


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _position(rows: list[Row]) -> None:
    """Set each row's position on the time axis from the first start to the last end."""
    times = [moment for row in rows for moment in (row.began, row.ended) if moment]
    if not times:
        return
    first = min(times)
    total_seconds = max((max(times) - first).total_seconds(), 0.001)
    for row in rows:
        if row.began is None:
            continue
        row.left = min(99.6, (row.began - first).total_seconds() / total_seconds * 100)
        seconds = (row.took_ms or 0) / 1000
        if row.took_ms is None and row.ended is not None and row.ended > row.began:
            seconds = (row.ended - row.began).total_seconds()
            row.took_ms = seconds * 1000
        row.width = min(100 - row.left, seconds / total_seconds * 100)
