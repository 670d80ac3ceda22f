"""The evidence of insights as sentences, and figures as the language of the page writes them."""

from __future__ import annotations

from typing import Any

from babel.numbers import format_decimal
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from executions.models import Insight, InsightKind


def sentence(insight: Insight) -> str:
    """Return the evidence as a sentence in the language of the page."""
    seen = insight.evidence
    match insight.kind:
        case InsightKind.SLOW_NODE:
            values = {"time": duration(seen.get("mean_s")), "share": share(seen.get("share"))}
            return _("It takes %(time)s on average, %(share)s of the time of an execution.") % values
        case InsightKind.CACHE_NODE:
            values = {"share": share(seen.get("hit_rate")), "time": duration(seen.get("saved_s"))}
            return _("%(share)s of its runs had been computed before. A cache would have saved %(time)s.") % values
        case InsightKind.LIMIT_TOO_LOW:
            values = {"limit": str(seen.get("limit")), "proposed": str(seen.get("proposed"))}
            values |= {"before": duration(seen.get("median_wait_s")), "after": duration(seen.get("replayed_wait_s"))}
            text = _("Limit %(proposed)s instead of %(limit)s: median wait %(before)s → %(after)s.") % values
            hint = _("Check first that the systems it calls can take more.")
            return f"{text} {hint}"
        case InsightKind.QUEUE_STARVED:
            workers = seen.get("workers")
            count = _("unknown") if workers is None else str(workers)
            values = {"time": duration(seen.get("median_wait_s")), "workers": count}
            return _("Executions wait %(time)s for a worker. Live workers: %(workers)s. Start more.") % values
        case InsightKind.ENDPOINT_FAILING:
            values = {"share": share(seen.get("failure_rate")), "reason": str(seen.get("reason"))}
            text = _("%(share)s of the attempts failed (%(reason)s).") % values
            if not (waited := seen.get("oldest_pending_s")):
                return text
            oldest = _("The oldest delivery has waited %(time)s.") % {"time": duration(waited)}
            return f"{text} {oldest}"
        case InsightKind.RETRY_NEVER_HELPS:
            values = {"last": str(seen.get("last_useful")), "tries": str(seen.get("tries"))}
            values["time"] = duration(seen.get("wasted_s"))
            return _("Attempts after %(last)s never succeeded in %(tries)s tries. They took %(time)s.") % values
        case InsightKind.BATCH_REQUESTS:
            values = {"count": number(round(seen.get("calls") or 0)), "time": duration(seen.get("calls_s"))}
            text = _("It sends %(count)s requests in a run, which take %(time)s together.") % values
            hint = _("Check whether the service takes several items in one request.")
            return f"{text} {hint}"
        case InsightKind.PARALLEL_BRANCHES:
            values = {"node": str(seen.get("after")), "time": duration(seen.get("saved_s"))}
            return _("It uses nothing of %(node)s and waits for it. Side by side they would save %(time)s.") % values
        case InsightKind.LANE_FULL:
            return f"{_lane(seen)} {LANE_CAUSES.get(str(seen.get('cause')), '')}".rstrip()
        case InsightKind.DATABASE_SLOW:
            return _database(seen)
        case InsightKind.REDIS_SLOW:
            text = _("Redis takes %(time)s, usually %(usual)s.") % _times(seen)
            hint = _("Jobs and live events wait for it.")
            return f"{text} {hint}"
        case InsightKind.UNUSED_DATA:
            values = {"fields": ", ".join(seen.get("unused") or ()), "size": size(seen.get("bytes_per_execution"))}
            values |= {
                "nodes": ", ".join(seen.get("copied_by") or ()),
                "read": ", ".join(seen.get("read") or ()) or "–",
            }
            text = _("Nothing reads %(fields)s. It is copied along by %(nodes)s: %(size)s in each execution.") % values
            hint = _("A Set fields node after it, without the other fields, can keep what is read: %(read)s.") % values
            return f"{text} {hint}"
    return str(insight.figure["text"])


LANE_CAUSES = {
    "rate_limit": gettext_lazy("The rate limit of the endpoint holds them back."),
    "max_concurrent": gettext_lazy("All attempts that the endpoint allows at a time are in use."),
    "retry_after": gettext_lazy("The receiver asked for a pause."),
    "receiver": gettext_lazy("The receiver takes long to answer."),
}


def _lane(seen: dict[str, Any]) -> str:
    values = {"count": number(seen.get("waiting") or 0), "arrive": _rate(seen.get("arrivals_per_s"))}
    values["leave"] = _rate(seen.get("departures_per_s"))
    text = _("%(count)s deliveries wait: %(arrive)s arrive a second and %(leave)s leave.") % values
    if (wait := seen.get("wait_s")) is None:
        return text
    new = _("A new one waits %(time)s.") % {"time": duration(wait)}
    return f"{text} {new}"


def _database(seen: dict[str, Any]) -> str:
    match seen.get("cause"):
        case "connections":
            values = {"used": number(seen["connections"]), "limit": number(seen["most_connections"])}
            return (
                _("%(used)s of %(limit)s connections are in use. Start fewer processes, or raise the limit.") % values
            )
        case "busy":
            values = {"share": share(seen.get("busy_share")), "time": duration(seen.get("mean_s"))}
            return _("Workers commit during %(share)s of the time, %(time)s each.") % values
    text = _("Commits take %(time)s, usually %(usual)s.") % _times(seen)
    hint = _("Every step of every execution waits for them.")
    return f"{text} {hint}"


def _times(seen: dict[str, Any]) -> dict[str, str]:
    return {"time": duration(seen.get("mean_s")), "usual": duration(seen.get("usual_mean_s"))}


def _rate(value: float | None) -> str:
    return "–" if value is None else number(round(value, 2 if value < 10 else 0))


def size(value: float | None) -> str:
    """Return a number of bytes with the unit that suits it."""
    if value is None:
        return "–"
    if value < 1000:
        return f"{number(round(value))} B"
    return f"{number(round(value / 1000))} kB" if value < 1e6 else f"{number(round(value / 1e6, 1))} MB"


def share(value: float | None) -> str:
    """Return a share as a percentage."""
    return "–" if value is None else f"{number(round(value * 100))} %"


def number(value: float) -> str:
    """Return a number as the language of the page writes it."""
    return format_decimal(value, locale=get_language() or "en")


def duration(seconds: float | None) -> str:
    """Return a duration with the unit that suits it; – if it is not known."""
    if seconds is None:
        return "–"
    if seconds < 0.01:
        return f"{number(round(seconds * 1000, 1))} ms"
    if seconds < 1:
        return f"{number(round(seconds * 1000))} ms"
    if seconds < 120:
        return f"{number(round(seconds, 1) if seconds < 10 else round(seconds))} s"
    if seconds < 7200:
        return f"{number(round(seconds / 60))} min"
    return f"{number(round(seconds / 3600))} h"
