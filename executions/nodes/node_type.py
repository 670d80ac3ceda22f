"""The base class of node types."""

from __future__ import annotations

import builtins
import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, Literal
from uuid import UUID

from pydantic import ValidationError

from executions.domain.effects import Effect
from executions.domain.errors import NodeError
from executions.nodes.node_context import NodeContext, NodeResult, P, Parameters
from workflow_platform.core.validation import field_errors

Category = Literal["trigger", "flow", "data", "network", "code"]


class NodeType(ABC, Generic[P]):
    """A node type. Stateless: one instance serves all runs."""

    type: ClassVar[str]
    version: ClassVar[int] = 1
    label: ClassVar[str]
    description: ClassVar[str]
    icon: ClassVar[str]
    category: ClassVar[Category]
    Parameters: ClassVar[builtins.type[Parameters]] = Parameters
    outputs: ClassVar[tuple[str, ...]] = ("main",)
    inputs: ClassVar[tuple[str, ...] | None] = ("main",)
    """None accepts any name."""
    trigger: ClassVar[bool] = False
    join: ClassVar[bool] = False
    """Whether it waits for every input that can still receive items."""
    computes: ClassVar[bool] = False
    """Whether it needs only its items and parameters. It then runs in a sandbox process unless the input is small."""
    inline_bytes: ClassVar[int] = 32 * 1024
    """For computing nodes: the largest input, in bytes of JSON, that may run in a thread of the worker."""
    effect: ClassVar[Effect] = "none"
    """What it does to the world; the most that it can do if parameters decide."""
    effects: ClassVar[Mapping[str, Mapping[str, Effect]]] = {}
    """What it does by the values of a parameter, if that decides. Other values mean `effect`."""
    file_parameter: ClassVar[str] = ""
    """For computing nodes: the parameter that names the file of each item (`$binary`) that the node reads, if it is not
    empty. The node then runs in a sandbox process, which gets these files."""
    blocking: ClassVar[bool] = False
    """Whether it runs in a separate thread because it waits for I/O."""
    pure: ClassVar[bool] = False
    """Whether a blocking node has no side effects. It may then start before its inputs are committed."""
    retry_on_crash: ClassVar[bool] = True
    """Whether it runs again if its worker is lost during the run."""

    url_parameters: ClassVar[tuple[str, ...]] = ()
    """The parameters with URLs that it calls. They are checked when the workflow is saved, and again at each call."""

    cacheable: ClassVar[bool] = True
    """Whether results may be taken from the result cache. False for nodes that wait, loop, respond to webhooks or start
    executions, since a cached result would skip that. Triggers are never cached."""

    @abstractmethod
    def run(self, context: NodeContext[Any]) -> NodeResult:
        """Process all items. Raises NodeError for errors that the workflow's author can fix."""

    def perform(self, context: NodeContext[Any]) -> NodeResult:
        """Run, and redact the secrets of the credentials used in the result and in exceptions."""
        try:
            result = self.run(context)
        except NodeError as error:
            context.redact(error)
            raise
        except Exception as error:
            if (redacted := without_secrets(context, error)) is error:
                raise
            raise redacted.with_traceback(error.__traceback__) from None
        result.outputs = context.redaction.value(result.outputs)
        result.response = context.redaction.value(result.response)
        if result.attributes:
            result.attributes = context.attributes_redacted(result.attributes)
        return result

    def file_key(self, parameters: Mapping[str, Any]) -> str:
        """Return the key of the files that a node with these parameters reads; empty if it reads none."""
        return str(parameters.get(self.file_parameter) or "") if self.file_parameter else ""

    def passes_through(self, parameters: Mapping[str, Any]) -> bool:
        """Return whether a node with these parameters passes its items through without reading them."""
        return False

    def effect_of(self, parameters: Mapping[str, Any]) -> Effect:
        """Return what a node with these parameters does to the world. Where an expression decides, the most that it
        can do."""
        for name, by_value in self.effects.items():
            value = parameters.get(name, self.Parameters.model_fields[name].default)
            text = value if isinstance(value, str) else json.dumps(value, default=str)
            if (effect := by_value.get(text)) is not None:
                return effect
        return self.effect

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the outputs of a node with these parameters."""
        return self.outputs

    def input_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the inputs of a node with these parameters, or None for any."""
        return () if self.trigger else self.inputs

    def cache_key(self, context: NodeContext[Any]) -> Any:
        """Return as JSON what the result depends on besides type, version, items and credential: by default the
        parameters resolved for each item. Raises NodeError."""
        return [context.parameters(index).model_dump(mode="json") for index in range(max(1, len(context.items)))]

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each invalid parameter. Expressions are validated when they run."""
        try:
            self.Parameters.model_validate(dict(parameters))
        except ValidationError as error:
            problems = []
            for each in field_errors(error, "parameters"):
                if "{{" in str(each.value) and each.code not in {"missing", "extra_forbidden"}:
                    continue
                message = each.message
                if each.code == "extra_forbidden" and len(each.location) == 2:
                    message = f"Unknown parameter. Known parameters: {', '.join(self.Parameters.model_fields)}."
                problems.append((each.path, each.code, message))
            return problems
        return []

    def credentials_of(self, parameters: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield (field, name or id) for each credential that the parameters name."""
        for name, info in self.Parameters.model_fields.items():
            extra, value = info.json_schema_extra, parameters.get(name)
            if isinstance(extra, dict) and extra.get("format") == "credential" and isinstance(value, str) and value:
                yield f"parameters.{name}", value

    def check_in_workspace(
        self, parameters: Mapping[str, Any], workspace: UUID, own_name: str
    ) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each parameter that names an object missing in the workspace."""
        return []

    def describe(self) -> dict[str, Any]:
        """Return the node type as `/api/node-types/` returns it."""
        return {
            "type": self.type,
            "version": self.version,
            "label": self.label,
            "description": self.description,
            "icon": self.icon,
            "category": self.category,
            "inputs": [] if self.trigger else None if self.inputs is None else list(self.inputs),
            "outputs": list(self.outputs),
            "trigger": self.trigger,
            "effect": self.effect,
            "effects": {name: dict(by_value) for name, by_value in self.effects.items()},
            "cacheable": self.cacheable and not self.trigger,
            "parameters": self.Parameters.model_json_schema(),
        }


def without_secrets(context: NodeContext[Any], error: Exception) -> Exception:
    """Return an unexpected error, or another one if its text or traceback contains a secret."""
    trace = "".join(traceback.format_exception(error))
    if context.redaction.text(trace) == trace:
        return error
    return RuntimeError(context.redaction.text(f"{type(error).__name__}: {error}"))
