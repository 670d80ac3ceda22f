from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from django.conf import settings
from pydantic import Field

from executions.domain.attributes import checked
from executions.domain.errors import NodeError
from executions.domain.graph import ERROR_OUTPUT
from executions.domain.items import Item, Items
from executions.domain.lineage import SAME, Lineage, Origin, Origins, compact
from executions.domain.static_data import WHOLE_WORKFLOW, StaticChange, change_between
from executions.domain.words import uses_static_data
from executions.nodes.base import NodeContext, NodeResult, NodeType, Parameters
from executions.nodes.item_outcomes import ItemError
from executions.sandbox.checking import check_code
from executions.sandbox.code import CodeCall, CodeResult, run
from executions.sandbox.code_items import NotItems
from workflow_platform.core import exact_json
from workflow_platform.core.sandbox.task import TaskCancelled


class CodeParameters(Parameters):
    code: str = Field(
        title="Code",
        description="The body of a JavaScript function, which may use await. In mode `all` it returns a list of items,"
        " in mode `each` one item or null."
        " `console.log` writes to the execution's log.",
        max_length=200_000,
    )
    mode: Literal["all", "each"] = Field("all", title="Mode", description="Run once for all items, or once per item.")
    time_limit_seconds: float = Field(
        5, title="Time limit", description="CPU seconds for all items together.", gt=0, le=60
    )


class Code(NodeType[CodeParameters]):
    type = "code"
    label = "Code"
    description = "Runs JavaScript on the items, in a sandbox with limits on time and memory."
    icon = "code"
    category = "code"
    Parameters = CodeParameters
    blocking = True
    pure = True

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        problems = super().check_parameters(parameters)
        code = parameters.get("code")
        if isinstance(code, str) and (problem := check_code(code)) is not None:
            problems.append(("parameters.code", "syntax", f"The code has a syntax error: {problem}"))
        return problems

    def cache_key(self, context: NodeContext[CodeParameters]) -> Any:
        # Code is not a template. It can read its whole scope: the nodes that it names, and the variables.
        scope, code = context.evaluator.scope, str(context.node.parameters.get("code"))
        execution = scope.execution if "execution" in code else None
        named, paired = scope.named_in(code), scope.paired_in(code)
        words = [scope.workflow, scope.vars, execution, scope.surroundings_in(code), _static_data(context, code)]
        return [context.node.parameters, scope.items, named, paired, *words]

    def run(self, context: NodeContext[CodeParameters]) -> NodeResult:
        # The code may contain `{{`; it is not a template and is used as it is.
        parameters = CodeParameters.model_validate(context.node.parameters)
        context.note_parameters(0, context.node.parameters)
        scope = context.evaluator.scope
        call = CodeCall(
            parameters.code,
            scope,
            parameters.mode,
            parameters.time_limit_seconds,
            settings.CODE_MEMORY_MB * 2**20,
            settings.NODE_OUTPUT_MAX_BYTES,
            _static_data(context, parameters.code),
            tolerant=context.node.on_error != "stop",
        )
        try:
            result = run(
                call,
                group=context.workspace,
                queue=str(scope.execution.get("id", "")),
                cancelled=context.cancelled,
            )
        except TaskCancelled:
            raise NodeError("Cancelled.") from None
        _log(context, result)
        if result.error is not None:
            raise NodeError(result.error, retryable=result.retryable)
        try:
            items, lineage = result.items(), result.lineage()
        except NotItems as error:
            raise NodeError(str(error)) from None
        changes = list(_static_changes(context, call.static_data or {}, result.static_data))
        made = NodeResult({"main": items}, lineage)
        if result.failures:
            made = _with_failures(context, items, lineage, result.failures)
        made.static_changes, made.attributes = changes, checked(result.custom_data, "$execution.customData")
        return made


def _static_data(context: NodeContext[CodeParameters], code: str) -> dict[str, dict[str, Any]] | None:
    """Return the static data if the code may read it."""
    if context.static_data is None or not uses_static_data(code):
        return None
    return context.static_data()


def _static_changes(
    context: NodeContext[CodeParameters], before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[StaticChange]:
    """Yield what the code changed in the static data. Raises NodeError if it is too large, or not an object."""
    for kind, node_id in (("global", WHOLE_WORKFLOW), ("node", context.node.id)):
        if kind not in after:
            continue
        if not isinstance(after[kind], dict):
            raise NodeError(f"The static data ({kind}) is not an object.")
        size, limit = len(exact_json.write(after[kind])), settings.STATIC_DATA_MAX_BYTES
        if size > limit:
            raise NodeError(
                f"The static data ({kind}) has {size} bytes; at most {limit} are allowed (STATIC_DATA_MAX_BYTES)."
            )
        if (change := change_between(node_id, before[kind], after[kind])) is not None:
            yield change


def _with_failures(
    context: NodeContext[CodeParameters], items: Items, lineage: Lineage, failures: Sequence[tuple[int, str]]
) -> NodeResult:
    """Return the result of code that failed for some of its items. Raises NodeError if another attempt follows."""
    if context.node.retry.follows(context.outcomes.attempt, retryable=False):
        count = "1 item" if len(failures) == 1 else f"{len(failures):,} items"
        raise NodeError(f"{count} failed. The first error: {failures[0][1]}")
    errors = {index: ItemError(context.redaction.text(message)) for index, message in failures}
    failed = [context.items[index] | {"error": error.as_data()} for index, error in errors.items()]
    outputs: dict[str, Items] = {"main": items, ERROR_OUTPUT: failed}
    origins: dict[str, Origins] = dict(lineage) | {ERROR_OUTPUT: list(errors)}
    if context.node.on_error == "continue":
        merged, merged_origins = _in_place(items, lineage.get("main"), failed, list(errors))
        outputs, origins = {"main": merged}, {"main": compact(merged_origins, len(context.items))}
    first, all_failed = next(iter(errors.values())), len(errors) == len(context.items)
    return NodeResult(outputs, origins, failed_items=len(errors), error=first, all_failed=all_failed)


def _in_place(
    items: Items, origins: Origins | None, failed: Sequence[Item], indexes: Sequence[int]
) -> tuple[list[Item], list[Origin]]:
    """Return all items in the order of the input, if the origins of `items` are known; else the failed ones last."""
    numbers: list[Origin] = [None] * len(items) if origins is None or origins == SAME else list(origins)
    pairs = [*zip(numbers, items, strict=True), *zip(indexes, failed, strict=True)]
    if all(isinstance(number, int) for number in numbers):
        pairs.sort(key=lambda pair: pair[0])  # type: ignore[arg-type, return-value]
    return [item for _, item in pairs], [number for number, _ in pairs]


def _log(context: NodeContext[CodeParameters], result: CodeResult) -> None:
    """Write the log lines of the code to the execution's log."""
    for level, message in result.logs:
        context.log(level, message)
    if result.dropped:
        context.log("warning", f"{result.dropped} more lines were dropped; the limit is {len(result.logs)} lines.")
