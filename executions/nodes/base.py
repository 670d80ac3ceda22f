"""What a node type is: its parameters as a typed schema, its inputs and outputs, and what it does with items."""

from __future__ import annotations

import builtins
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from executions.domain.credential_types import Fields
from executions.domain.errors import NodeError
from executions.domain.expressions import ExpressionError, Resolver
from executions.domain.graph import Node
from executions.domain.items import Items
from executions.domain.redaction import Redaction
from workflow_platform.core.validation import field_errors, first_error

# For annotations only: nodes that compute run in sandbox processes too, which know no Django.
if TYPE_CHECKING:
    from executions.models import Execution, NodeRun, WaitKind
    from executions.nodes.deliveries import Message
    from webhooks.models import Delivery
    from workflow_platform.core.accounts.models import User

Category = Literal["trigger", "flow", "data", "network", "code"]


class Parameters(BaseModel):
    """Base of every node type's parameters: titles and descriptions make the forms, extra fields are errors."""

    model_config = ConfigDict(extra="forbid")


P = TypeVar("P", bound=Parameters)


@dataclass(slots=True)
class WaitFor:
    """What a node run waits for, holding no worker: a time, or something that resolves it from outside."""

    reason: str
    until: datetime | None = None
    """When it is due; for something from outside, when it expires."""
    kind: WaitKind | None = None
    message: str = ""
    assignee: User | None = None
    child: Execution | None = None


@dataclass(slots=True)
class NodeResult:
    """What a node run gave: items by output. An output without items need not be named."""

    outputs: Mapping[str, Items] = field(default_factory=dict)
    keep_open: bool = False
    """A loop that wants what its batch brings back."""
    wait_for: WaitFor | None = None
    """Nothing yet: run again, `resumed`, when that has come."""
    response: dict[str, Any] | None = None
    """What the webhook that started the execution is answered: `{status, headers, body}`."""
    from_cache: bool = False
    """Taken from the result cache; nothing ran."""


class UsableCredential(Protocol):
    """A credential that a node run has asked for, as `executions.credentials` opens it."""

    def secrets(self) -> list[str]:
        """Return what must not leave the node run."""

    def apply(self, url: str, headers: dict[str, str], query: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Return headers and query with what signs the request in. Raises NodeError."""

    def fields_as(self, kind: type[Fields]) -> Fields:
        """Return what it holds if it is of that type. Raises NodeError."""

    def check_host(self, host: str) -> None:
        """Raise NodeError for a host that it may not be sent to."""

    def renew(self) -> bool:
        """Tell whether it is worth trying again after a 401, with what has been fetched anew."""


CredentialFinder = Callable[[str, threading.Event], UsableCredential]


def _without_credentials(reference: str, cancelled: threading.Event) -> UsableCredential:
    raise NodeError(f"There is no credential {reference!r} here.")


@dataclass(slots=True)
class Cost:
    """What a node run used in other processes than this one."""

    cpu_ms: float = 0
    memory_bytes: int = 0


@dataclass(slots=True)
class NodeContext(Generic[P]):
    """What a node run is given."""

    node: Node
    parameters_type: type[P]
    inputs: dict[str, Items]
    evaluator: Resolver
    idempotency_key: str
    log: Callable[[str, str], None]
    workspace: str = ""
    """The workspace's id: sandbox processes give workspaces turns."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    turns: list[Items] = field(default_factory=list)
    """What has come in since a loop opened; the first are its items."""
    resumed: bool = False
    outcome: dict[str, Any] | None = None
    """What it waited for came to; None if its time ran out."""
    node_run: NodeRun | None = None
    start_child: Callable[[str, Items, bool], Execution] | None = None
    """Starts a workflow, named by id or name, with items; tells it whether this node run waits for it."""
    deliver: Callable[[Sequence[Message], bool], list[Delivery]] | None = None
    """Makes deliveries, one of each message; tells it whether this node run waits for their ends."""
    mark_credential: Callable[[str], Any] = str
    """Returns what changes when the credential of that name or id does; part of the result cache's key."""
    resolved: dict[int, P] | None = None
    """Parameters by item, if they are kept: what the cache's key was made of is what the node works with."""
    find_credential: CredentialFinder = _without_credentials
    redaction: Redaction = field(default_factory=Redaction)
    cost: Cost = field(default_factory=Cost)
    """For the node to fill in, if others work for it."""

    def __post_init__(self) -> None:
        said, redaction = self.log, self.redaction
        self.log = lambda level, message: said(level, redaction.text(message))

    def credential(self, reference: str) -> UsableCredential:
        """Open the credential with this name or id, in the workflow's workspace. Its secrets are taken out of whatever
        leaves this node run. Raises NodeError if there is none."""
        found = self.find_credential(reference, self.cancelled)
        self.redaction.add(found.secrets)
        return found

    @property
    def items(self) -> Items:
        """Return the items of the input `main`."""
        return self.inputs.get("main", [])

    def parameters(self, item_index: int = 0) -> P:
        """Return the parameters with expressions resolved for one item. Raises NodeError naming the field."""
        if self.resolved is None:
            return self._resolve(item_index)
        if item_index not in self.resolved:
            self.resolved[item_index] = self._resolve(item_index)
        return self.resolved[item_index]

    def _resolve(self, item_index: int) -> P:
        try:
            return self.parameters_type.model_validate(self.evaluator.resolve(self.node.parameters, item_index))
        except ExpressionError as error:
            raise NodeError(str(error)) from None
        except ValidationError as error:
            first = first_error(error, "parameters").removesuffix(".")
            raise NodeError(f"{first} (item {item_index}).") from None


class NodeType(ABC, Generic[P]):
    """A kind of node. Stateless: one instance serves every run."""

    type: ClassVar[str]
    version: ClassVar[int] = 1
    label: ClassVar[str]
    description: ClassVar[str]
    icon: ClassVar[str]
    category: ClassVar[Category]
    Parameters: ClassVar[builtins.type[Parameters]] = Parameters
    outputs: ClassVar[tuple[str, ...]] = ("main",)
    inputs: ClassVar[tuple[str, ...] | None] = ("main",)
    """None: any name."""
    trigger: ClassVar[bool] = False
    join: ClassVar[bool] = False
    """Waits until every input that can still receive something has received it."""
    computes: ClassVar[bool] = False
    """Needs nothing but its items and parameters: it runs in a sandbox process unless it takes next to no time."""
    inline_bytes: ClassVar[int] = 32 * 1024
    """Of a node that computes: the most input, as JSON, with which it may run in a thread of the worker."""
    blocking: ClassVar[bool] = False
    """Runs in a thread of its own, since it waits for the world."""
    pure: ClassVar[bool] = False
    """Blocking, but without any effect on the world: it may start before what it rests on is committed."""
    retry_on_crash: ClassVar[bool] = True
    """Whether it is run again when its worker was lost while it ran."""

    url_parameters: ClassVar[tuple[str, ...]] = ()
    """The parameters that are URLs which it calls: checked when the workflow is saved, by the node at every call."""

    cacheable: ClassVar[bool] = True
    """Whether a node may have its results served from the cache. Not if it waits, keeps its loop open, answers a
    webhook or starts executions: a result taken from the cache would leave that out. Triggers never may."""

    @abstractmethod
    def run(self, context: NodeContext[Any]) -> NodeResult:
        """Do the work for all items. Raises NodeError for what the workflow's author can mend."""

    def perform(self, context: NodeContext[Any]) -> NodeResult:
        """Run, and keep the secrets of the credentials that were used out of the result and of what is raised."""
        try:
            result = self.run(context)
        except NodeError as error:
            error.args = (context.redaction.text(str(error)), *error.args[1:])
            raise
        except Exception as error:
            told = "".join(traceback.format_exception(error))
            if context.redaction.text(told) == told:
                raise
            said = context.redaction.text(f"{type(error).__name__}: {error}")
            raise RuntimeError(said).with_traceback(error.__traceback__) from None
        result.outputs = context.redaction.value(result.outputs)
        result.response = context.redaction.value(result.response)
        return result

    def passes_on(self, parameters: Mapping[str, Any]) -> bool:
        """Tell whether a node with these parameters hands its items on without a look at them, however many."""
        return False

    def output_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the outputs that a node with these parameters has."""
        return self.outputs

    def input_names(self, parameters: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the inputs that a node with these parameters has, or None for any."""
        return () if self.trigger else self.inputs

    def cache_key(self, context: NodeContext[Any]) -> Any:
        """Return, as JSON, what the result depends on besides type, version, items and credential: the parameters as
        resolved for each item. Raises NodeError."""
        return [context.parameters(index).model_dump(mode="json") for index in range(max(1, len(context.items)))]

    def check_parameters(self, parameters: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        """Return (path, code, message) for each bad parameter. Expressions are judged when they run."""
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
        """Return (path, code, message) for each parameter that names what the workspace does not have."""
        return []

    def describe(self) -> dict[str, Any]:
        """Return the node type as `/api/node-types/` shows it."""
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
            "cacheable": self.cacheable and not self.trigger,
            "parameters": self.Parameters.model_json_schema(),
        }
