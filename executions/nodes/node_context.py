"""What a node run gets and returns: its context, with parameters and items, and its result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from executions.domain.credential_types import Fields
from executions.domain.errors import NodeError
from executions.domain.expressions import ExpressionError, Resolver
from executions.domain.graph import Node
from executions.domain.items import Items
from executions.domain.lineage import Lineage
from executions.domain.redaction import Redaction
from executions.domain.static_data import StaticChange
from executions.nodes.exchanges import Exchanges, Received, Sent
from executions.nodes.file_access import FilesInMemory, FileStore
from executions.nodes.item_outcomes import ItemError, ItemOutcomes
from workflow_platform.core.validation import first_error

# For annotations only: computing nodes also run in sandbox processes, which do not load Django.
if TYPE_CHECKING:
    from executions.models import Execution, NodeRun, WaitKind
    from executions.nodes.deliveries import Message
    from webhooks.models import Delivery
    from workflow_platform.core.accounts.models import User


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
            raise NodeError(f"parameters{error.path}: {error}") from None
        except ValidationError as error:
            first = first_error(error, "parameters").removesuffix(".")
            raise NodeError(f"{first} (item {item_index}).") from None
