"""What a node run gets and returns: its context, with parameters and items, and its result."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError

from executions.domain.credential_types import Fields
from executions.domain.errors import NodeError
from executions.domain.expressions import ExpressionError, Resolver
from executions.domain.graph import Node
from executions.domain.items import Items
from executions.domain.known_secrets import secrets_in
from executions.domain.lineage import Lineage
from executions.domain.redaction import Redaction
from executions.domain.static_data import StaticChange
from executions.nodes.exchanges import Answer, Exchanges, Request
from executions.nodes.file_access import FilesInMemory, FileStore
from executions.nodes.item_outcomes import ItemError, ItemOutcomes
from executions.nodes.responses import shown_response
from executions.nodes.used_parameters import UsedParameters, resolved_as_far
from workflow_platform.core.validation import first_error

# For annotations only: computing nodes also run in sandbox processes, which do not load Django.
if TYPE_CHECKING:
    from executions.models import Execution, NodeRun, WaitKind
    from executions.nodes.children import ItemChildren
    from executions.nodes.deliveries import Message
    from webhooks.models import Delivery
    from workflow_platform.core.accounts.models import User


class Parameters(BaseModel):
    """The base of all parameters. Titles and descriptions are used in forms; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


P = TypeVar("P", bound=Parameters)
ITEMS_READ = 20
"""The items of other nodes in which values under names of secrets are looked for."""


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
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The attributes of the execution that the node sets."""


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
    children: ItemChildren | None = None
    """Starts workflows for single items."""
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
    shared: Any = None
    """What `ItemNodeType.opened` returned."""
    outcomes: ItemOutcomes = None  # type: ignore[assignment]  # set below
    """What came of each item so far; by default nothing."""
    exchanges: Exchanges = field(default_factory=Exchanges)
    """What the node run sent to other systems and received so far."""
    used: UsedParameters = field(default_factory=UsedParameters)
    """The parameters that were resolved so far."""
    traceparent: Callable[[], str] = str
    """Returns the header `traceparent` for requests of the attempt; empty for none."""
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

    def record(self, item: int, sent: Request, answer: Answer) -> None:
        """Record what was sent for an item, and the answer, or the error if none came. Secrets are redacted."""
        self.exchanges.add(item, self.outcomes.attempt, sent, answer, self._redaction_of(item))

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

    def redact(self, error: NodeError) -> None:
        """Replace the secrets of the credentials used in an error, and cut its parts to size."""
        error.args = (self.redaction.text(str(error)), *error.args[1:])
        if error.response is not None:
            error.response = shown_response(error.response, self._redaction_of(self.used.item))

    def attributes_redacted(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """Return attributes of the execution without the secrets that the node may have read in its first items."""
        redaction = self.redaction.extended(
            lambda: secrets_in(self.evaluator.scope.vars, *islice(self.items, ITEMS_READ))
        )
        return {key: redaction.text(value) for key, value in attributes.items()}

    def _resolve(self, item_index: int) -> P:
        try:
            values = self.evaluator.resolve(self.node.parameters, item_index)
        except ExpressionError as error:
            self._note_unresolved(item_index)
            raise NodeError(str(error), expression=error.place("parameters", item_index)) from None
        self.note_parameters(item_index, values)
        try:
            return self.parameters_type.model_validate(values)
        except ValidationError as error:
            first = first_error(error, "parameters").removesuffix(".")
            raise NodeError(f"{first} (item {item_index}).") from None

    def note_parameters(self, item_index: int, values: dict[str, Any]) -> None:
        """Note what the parameters are for an item."""
        self.used.note(item_index, values, self._redaction_of(item_index))

    def _redaction_of(self, item_index: int) -> Redaction:
        """Return the redaction of the credentials used, and of the secrets that expressions may read for an item."""
        return self.redaction.extended(lambda: secrets_in(*self._read_by_expressions(item_index)))

    def _note_unresolved(self, item_index: int) -> None:
        """Note the parameters for an item for which some cannot be resolved: these stay as they were written."""
        if not self.used.has_failed:
            self.note_parameters(item_index, resolved_as_far(self.evaluator, self.node.parameters, item_index))
            self.used.item_failed(item_index)

    def _read_by_expressions(self, item_index: int) -> Iterator[Any]:
        """Yield what the expressions of the parameters may read for an item."""
        scope = self.evaluator.scope
        yield scope.vars
        if item_index < len(scope.items):
            yield scope.items[item_index]
        for items in scope.named_in(json.dumps(self.node.parameters, ensure_ascii=False)).values():
            yield from islice(items, ITEMS_READ)
