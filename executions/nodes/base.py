"""The base class of node types: typed parameters, inputs and outputs, and `run`."""

from __future__ import annotations

import builtins
import json
import logging
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from executions.domain.credential_types import Fields
from executions.domain.effects import Effect
from executions.domain.errors import NodeError as NodeError  # node types of other packages import it from here
from executions.domain.expressions import BudgetExceeded, ExpressionError, Resolver
from executions.domain.graph import Node
from executions.domain.items import Item, Items
from executions.domain.lineage import Lineage, Origin, compact
from executions.domain.redaction import Redaction
from executions.domain.static_data import StaticChange
from executions.nodes.exchanges import Exchanges, Received, Sent
from executions.nodes.file_access import FilesInMemory, FileStore
from executions.nodes.item_outcomes import ItemError, ItemOutcomes, error_output
from workflow_platform.core.validation import field_errors, first_error

# For annotations only: computing nodes also run in sandbox processes, which do not load Django.
if TYPE_CHECKING:
    from executions.models import Execution, NodeRun, WaitKind
    from executions.nodes.deliveries import Message
    from webhooks.models import Delivery
    from workflow_platform.core.accounts.models import User

logger = logging.getLogger(__name__)

Category = Literal["trigger", "flow", "data", "network", "code"]


class Parameters(BaseModel):
    """The base of all parameters. Titles and descriptions are used in forms; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


P = TypeVar("P", bound=Parameters)


@dataclass(slots=True)
class WaitFor:
    """What a node run waits for without occupying a worker: a time, or an external event."""

    reason: str
    until: datetime | None = None
    """When the wait ends; for an external event, when it expires."""
    kind: WaitKind | None = None
    message: str = ""
    assignee: User | None = None
    child: Execution | None = None


@dataclass(slots=True)
class NodeResult:
    """The result of a node run: items by output. Outputs without items can be omitted."""

    outputs: Mapping[str, Items] = field(default_factory=dict)
    lineage: Lineage = field(default_factory=dict)
    """The input items that the items of each output came from. Unknown for outputs that are omitted."""
    keep_open: bool = False
    """Whether a loop stays open to receive the items that its batch returns."""
    wait_for: WaitFor | None = None
    """If set, the node run has no result yet: it runs again with `resumed` when the wait ends."""
    response: dict[str, Any] | None = None
    """The response to the webhook request that started the execution: `{status, headers, body}`."""
    from_cache: bool = False
    """Whether the result is from the result cache, without a run."""
    failed_items: int = 0
    """Input items that failed for good and continue as errors, as the node's `on_error` says."""
    error: ItemError | None = None
    """The error of the first of those."""
    all_failed: bool = False
    taken_from: UUID | None = None
    """In a rerun: the node run whose saved output this is."""
    static_changes: Sequence[StaticChange] = ()
    """What the node changed in the static data of the workflow and its own."""


class UsableCredential(Protocol):
    """A decrypted credential of a node run, from `executions.credentials`."""

    def secrets(self) -> list[str]:
        """Return the secrets to redact in the node run."""

    def apply(self, url: str, headers: dict[str, str], query: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
        """Return headers and query with the authentication added. Raises NodeError."""

    def fields_as(self, kind: type[Fields]) -> Fields:
        """Return the fields if the credential is of that type. Raises NodeError."""

    def check_host(self, host: str) -> None:
        """Raise NodeError if the credential must not be sent to the host."""

    def renew(self) -> bool:
        """Fetch a new token after a 401 if possible. Returns whether to try again."""


CredentialFinder = Callable[[str, threading.Event], UsableCredential]


def _without_credentials(reference: str, cancelled: threading.Event) -> UsableCredential:
    raise NodeError(f"There is no credential {reference!r}.")


@dataclass(slots=True)
class Cost:
    """The resources that a node run used in other processes."""

    cpu_ms: float = 0
    memory_bytes: int = 0


@dataclass(slots=True)
class NodeContext(Generic[P]):
    """The input of a node run, and the functions that it may call."""

    node: Node
    parameters_type: type[P]
    inputs: dict[str, Items]
    evaluator: Resolver
    idempotency_key: str
    log: Callable[[str, str], None]
    workspace: str = ""
    """The workspace's id; sandbox processes take turns by workspace."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    turns: list[Items] = field(default_factory=list)
    """The inputs since a loop opened: first its items, then the items that each batch returned."""
    resumed: bool = False
    outcome: dict[str, Any] | None = None
    """The outcome of the wait; None if it expired."""
    node_run: NodeRun | None = None
    start_child: Callable[[str, Items, bool], Execution] | None = None
    """Starts the workflow with this id or name on items; the last argument says whether this node run waits for it."""
    deliver: Callable[[Sequence[Message], bool], list[Delivery]] | None = None
    """Creates one delivery per message; the last argument says whether this node run waits until they end."""
    mark_credential: Callable[[str], Any] = str
    """Returns a value that changes with the credential of that name or id; part of the result cache's key."""
    resolved: dict[int, P] | None = None
    """Resolved parameters by item, if they are kept: the node then uses the values of the cache key."""
    static_data: Callable[[], dict[str, dict[str, Any]]] | None = None
    """Reads the static data of the workflow, `global`, and of the node, `node`."""
    find_credential: CredentialFinder = _without_credentials
    redaction: Redaction = field(default_factory=Redaction)
    files: FileStore = field(default_factory=FilesInMemory)
    """The files of the execution; blocking nodes may read and make them."""
    cost: Cost = field(default_factory=Cost)
    """Set by nodes that run in other processes."""
    shared: Any = None
    """What `ItemNodeType.opened` returned."""
    outcomes: ItemOutcomes = None  # type: ignore[assignment]  # set below
    """What came of each item so far; by default nothing."""
    exchanges: Exchanges = field(default_factory=Exchanges)
    """What the node run sent to other systems and received so far."""
    inline: bool = False
    """Whether it runs in a thread that other executions need. A computing node that finds that it has much to do there
    raises BudgetExceeded, and runs again in a sandbox process."""

    def __post_init__(self) -> None:
        if self.outcomes is None:
            self.outcomes = ItemOutcomes(self.node.on_error, self.node.retry)
        log, redaction = self.log, self.redaction
        self.log = lambda level, message: log(level, redaction.text(message))

    def credential(self, reference: str) -> UsableCredential:
        """Decrypt the credential with this name or id in the workflow's workspace. Its secrets are redacted in the
        output of this node run. Raises NodeError if there is none."""
        credential = self.find_credential(reference, self.cancelled)
        self.redaction.add(credential.secrets)
        return credential

    def record(self, item: int, sent: Sent, answer: Received | str) -> None:
        """Record what was sent for an item, and the answer, or the error if none came. Secrets are redacted."""
        self.exchanges.add(item, self.outcomes.attempt, sent, answer, self.redaction)

    @property
    def items(self) -> Items:
        """Return the items of the input `main`."""
        return self.inputs.get("main", [])

    @property
    def timezone(self) -> str:
        """Return the IANA name of the workflow's time zone."""
        return str(self.evaluator.scope.surroundings.get("timezone") or "UTC")

    def parameters(self, item_index: int = 0) -> P:
        """Return the parameters with expressions resolved for one item. Raises NodeError that names the field."""
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
            error.args = (context.redaction.text(str(error)), *error.args[1:])
            raise
        except Exception as error:
            if (redacted := _without_secrets(context, error)) is error:
                raise
            raise redacted.with_traceback(error.__traceback__) from None
        result.outputs = context.redaction.value(result.outputs)
        result.response = context.redaction.value(result.response)
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


class PerItemNodeType(NodeType[P]):
    """A node type whose items have an outcome each, whether it processes them one by one or together."""

    def fail_item(self, context: NodeContext[Any], index: int, error: Exception) -> None:
        """An attempt at an item has failed. Raises the error if that ends the attempt at the node."""
        if context.cancelled.is_set() or context.node.on_error == "stop":
            raise error
        if isinstance(error, NodeError):
            error.args = (context.redaction.text(str(error)), *error.args[1:])
        else:
            error = _without_secrets(context, error)
            if not context.outcomes.has_failed_unexpectedly:  # one traceback is enough for many items
                extra = {"node": context.node.id, "node_type": self.type}
                logger.error("item %d failed with an unexpected error", index, exc_info=error, extra=extra)
            context.outcomes.has_failed_unexpectedly = True
        context.outcomes.fail(index, error)

    def result_of(self, context: NodeContext[Any]) -> NodeResult:
        """Return the result that the outcomes of all items make."""
        node = context.node
        made = context.outcomes.result(context.items, error_output(node.on_error, self.output_names(node.parameters)))
        all_failed = bool(made.failed) and not made.succeeded
        return NodeResult(made.outputs, made.lineage, failed_items=made.failed, error=made.error, all_failed=all_failed)


class ItemNodeType(PerItemNodeType[P]):
    """A node type that processes each item on its own, so each output item came from the item that it was made of."""

    @abstractmethod
    def run_item(self, context: NodeContext[Any], index: int, item: Item) -> Mapping[str, Items]:
        """Process one item. Returns the items of each output. Raises NodeError."""

    def opened(self, context: NodeContext[Any]) -> AbstractContextManager[Any]:
        """Open what all items share, such as a connection: `context.shared` while the items run. Raises NodeError."""
        return nullcontext()

    def is_all_or_nothing(self, context: NodeContext[Any]) -> bool:
        """Return whether nothing is done until all items have succeeded, as in a database transaction."""
        return False

    def run(self, context: NodeContext[Any]) -> NodeResult:
        outcomes = context.outcomes
        if outcomes.keeper is None and context.node.on_error == "stop":
            return self._run_whole(context)
        outcomes.all_or_nothing = self.is_all_or_nothing(context)
        if any(index not in outcomes for index in range(len(context.items))):
            try:
                with self.opened(context) as context.shared:
                    self._run_items(context)
                outcomes.check_finished()
            except Exception:
                outcomes.end_attempt()
                raise
        return self.result_of(context)

    def _run_whole(self, context: NodeContext[Any]) -> NodeResult:
        """Process all items without noting their outcomes: none is kept, and the first error ends the attempt."""
        outputs, origins = dict[str, list[Item]](), dict[str, list[Origin]]()
        with self.opened(context) as context.shared:
            for index, item in enumerate(context.items):
                for name, items in self.run_item(context, index, item).items():
                    outputs.setdefault(name, []).extend(items)
                    origins.setdefault(name, []).extend([index] * len(items))
        count = len(context.items)
        return NodeResult(outputs, {name: compact(numbers, count) for name, numbers in origins.items()})

    def _run_items(self, context: NodeContext[Any]) -> None:
        """Process the items that have no outcome yet. Raises NodeError if the attempt at the node ends."""
        outcomes = context.outcomes
        for index, item in enumerate(context.items):
            if index in outcomes:
                continue
            if context.cancelled.is_set():
                raise NodeError("Cancelled.")
            outcomes.commit()
            try:
                outputs = self.run_item(context, index, item)
            except (BudgetExceeded, MemoryError):
                raise
            except Exception as error:
                self.fail_item(context, index, error)
            else:
                outcomes.succeed(index, context.redaction.value(outputs))


def _without_secrets(context: NodeContext[Any], error: Exception) -> Exception:
    """Return an unexpected error, or another one if its text or traceback contains a secret."""
    trace = "".join(traceback.format_exception(error))
    if context.redaction.text(trace) == trace:
        return error
    return RuntimeError(context.redaction.text(f"{type(error).__name__}: {error}"))
