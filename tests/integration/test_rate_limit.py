"""The rate limit of a workflow: never more starts in any span than its settings say."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from executions.admission import admission
from executions.models import Execution, RateBucket
from tests.admitting import admitted, end, start, workflow_in
from workflow_platform.installation.embedded import wait_until

pytestmark = pytest.mark.django_db


def starts_of(workflow: Any) -> list[datetime]:
    found = Execution.objects.filter(workflow=workflow, admitted_at__isnull=False)
    return list(found.order_by("admitted_at").values_list("admitted_at", flat=True))


def most_in_any(times: list[datetime], seconds: float) -> int:
    """Return the most starts that any span of so many seconds has seen."""
    return max((sum(0 <= (t - first).total_seconds() < seconds for t in times) for first in times), default=0)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 6), seconds=st.floats(0.02, 0.08), seed=st.integers())
def test_no_span_of_time_sees_more_starts_than_the_limit(count: int, seconds: float, seed: int) -> None:
    chance = random.Random(seed)
    workflow = workflow_in(rate_limit={"count": count, "seconds": seconds})
    wanted = count * 3 + 1

    def advance() -> bool:
        if chance.random() < 0.5 and Execution.objects.filter(workflow=workflow).count() < wanted:
            start(workflow, chance.randint(1, count + 1))
        admission.admit()
        end(admitted(workflow=workflow))
        return len(starts_of(workflow)) >= wanted

    wait_until(advance, "All starts")
    assert most_in_any(starts_of(workflow), seconds) <= count


def test_starts_come_again_when_the_span_has_passed() -> None:
    workflow = workflow_in(rate_limit={"count": 3, "seconds": 0.5})
    start(workflow, 6)
    assert len(starts_of(workflow)) == 3
    wait_until(lambda: admission.admit() > 0, "The next start")
    wait_until(lambda: admission.admit() >= 0 and len(starts_of(workflow)) == 6, "The rest")
    first, fourth = starts_of(workflow)[0], starts_of(workflow)[3]
    assert (fourth - first).total_seconds() >= 0.5


def test_a_rate_limit_holds_up_no_other_workflow() -> None:
    limited, free = workflow_in(rate_limit={"count": 1, "seconds": 600}), workflow_in()
    start(limited, 30)
    start(free, 3)
    assert [len(admitted(workflow=w)) for w in (limited, free)] == [1, 3]


def test_saving_a_workflow_takes_nothing_off_its_count() -> None:
    from executions.workflows.definitions import save_workflow

    workflow = workflow_in(rate_limit={"count": 1, "seconds": 600})
    start(workflow, 2)
    save_workflow(workspace=workflow.workspace, definition={"name": "Saved"}, by=None, workflow=workflow)
    admission.admit()
    assert len(admitted(workflow=workflow)) == 1


def test_old_counts_are_forgotten() -> None:
    workflow = workflow_in(rate_limit={"count": 2, "seconds": 0.02})
    for _ in range(20):
        start(workflow)
        wait_until(lambda: bool(admission.admit()) or bool(admitted()), "A start")
        end(admitted())
    assert RateBucket.objects.filter(workflow=workflow).count() < 20
