"""Decides whether a request to /hooks/ may start its workflow, and with which item. No I/O."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from django.conf import settings

from executions.nodes.webhook_trigger import WebhookTriggerParameters
from executions.triggers.hooks import cors
from executions.triggers.hooks.listeners import Listener
from executions.triggers.hooks.requests import AcceptedRequest, AnsweredRequest, HookRequest, RefusedRequest, Verdict
from executions.triggers.hooks.secrets import Opened, Reference
from executions.triggers.hooks.unpacking import RefusedBody, unpacked_body
from webhooks.inbound import verify
from webhooks.inbound.bodies import BadBody, first_or_all, read_body, read_query
from webhooks.inbound.limits import Buckets, lower
from webhooks.inbound.schemes import CREDENTIAL_TYPE, SIGNING, Open
from workflow_platform.core.content.charsets import without_nul
from workflow_platform.core.requests.client_address import counted_as, networks, within

NOT_KEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
TESTS_PER_SECOND, TESTS_BURST = 2.0, 20.0
"""The rate limit of one test URL; each request writes an event."""
NOT_FOUND = "No active workflow is registered for this path."
_CANNOT_CHECK = "This webhook cannot authenticate requests at the moment. Try again later."


class Verifier:
    """Verifies requests and counts them for the rate limits of one process. Not thread-safe."""

    def __init__(self) -> None:
        self._buckets = Buckets()

    def verify(self, request: HookRequest, listener: Listener | None, secrets: Mapping[Reference, Opened]) -> Verdict:
        """Return whether the request may start the workflow of the listener."""
        parameters = listener.parameters if listener else None
        refusal = self._from_one_address(request, listener, parameters) or rejection(request, listener)
        if refusal is not None or listener is None or parameters is None:
            return Verdict(refusal or RefusedRequest(404, NOT_FOUND))
        if cors.is_preflight(request, parameters):
            return Verdict(cors.answer(request, parameters))
        try:
            verdict = _authenticate(request, listener, parameters, secrets)
        except verify.AuthenticationFailed as error:
            headers = {"WWW-Authenticate": error.challenge} if error.challenge else {}
            return Verdict(
                RefusedRequest(401, "Authentication failed.", headers, str(error)), _proving_headers(listener, secrets)
            )
        except verify.UnusableSecret as error:
            return Verdict(RefusedRequest(503, _CANNOT_CHECK, reason=str(error)), _proving_headers(listener, secrets))
        if isinstance(verdict.outcome, AcceptedRequest):
            # Counted after authentication, so that other callers cannot use up the limit.
            refusal = self._to_one_trigger(request, listener, parameters)
        return verdict if refusal is None else Verdict(refusal, verdict.proving, verdict.message_id)

    def _from_one_address(
        self, request: HookRequest, listener: Listener | None, parameters: WebhookTriggerParameters | None
    ) -> RefusedRequest | None:
        trigger_limit = parameters.requests_per_second_and_address if parameters else None
        limit = lower(trigger_limit, settings.HOOK_REQUESTS_PER_SECOND_AND_ADDRESS)
        address = counted_as(request.address)
        # Unknown paths share one counter per address, since callers can invent any number of them.
        key = (f"{listener.workflow.pk}/{listener.node_id}" if listener else "", address)
        if limit and (wait := self._buckets.take(key, time.monotonic(), limit)):
            return _too_many(wait, f"{limit:g} requests per second from {address}")
        return None

    def _to_one_trigger(
        self, request: HookRequest, listener: Listener, parameters: WebhookTriggerParameters
    ) -> RefusedRequest | None:
        limit, burst = lower(parameters.requests_per_second, settings.HOOK_REQUESTS_PER_SECOND), None
        if request.test:
            limit, burst = lower(limit, TESTS_PER_SECOND), TESTS_BURST
        key = (f"{listener.workflow.pk}/{listener.node_id}", request.test)
        if limit and (wait := self._buckets.take(key, time.monotonic(), limit, burst)):
            return _too_many(wait, f"{limit:g} requests per second")
        return None


def _too_many(wait: float, limit: str) -> RefusedRequest:
    seconds = max(1, math.ceil(wait))
    headers = {"Retry-After": str(seconds)}
    return RefusedRequest(429, f"Too many requests. Retry after {seconds} s.", headers, f"More than {limit}.")


def rejection(request: HookRequest, listener: Listener | None) -> RefusedRequest | None:
    """Return the refusal that depends neither on the caller's authentication nor on the body's content."""
    refusal = _request_refusal(request, listener)
    if request.unread is None or (refusal is not None and refusal.status == request.unread[0]):
        return refusal  # it has a reason and headers
    return RefusedRequest(*request.unread)


def _request_refusal(request: HookRequest, listener: Listener | None) -> RefusedRequest | None:
    if listener is None:
        return RefusedRequest(
            404, "No workflow has this path. Save a webhook trigger with it first." if request.test else NOT_FOUND
        )
    parameters = listener.parameters
    if parameters is None:
        return RefusedRequest(503, _CANNOT_CHECK, reason=listener.problem)
    if request.method not in parameters.methods and not cors.is_preflight(request, parameters):
        allowed = ", ".join(parameters.methods)
        return RefusedRequest(
            405, f"This webhook does not accept {request.method}. Allowed: {allowed}.", {"Allow": allowed}
        )
    allowed_from = networks(tuple(parameters.allow_from))
    if allowed_from and (request.address is None or not within(request.address, allowed_from)):
        return RefusedRequest(
            403,
            "Your address is not allowed to call this webhook.",
            reason=f"{request.address} is not in the allowed addresses.",
        )
    limit, size = parameters.max_body_bytes, max(len(request.body), request.body_bytes)
    if limit is not None and size > limit:
        return RefusedRequest(413, f"The body has {size} bytes; the limit is {limit} bytes.")
    return None


def _authenticate(
    request: HookRequest, listener: Listener, parameters: WebhookTriggerParameters, secrets: Mapping[Reference, Opened]
) -> Verdict:
    """Authenticate the request and return its item. Raises verify.AuthenticationFailed, verify.UnusableSecret."""
    scheme = parameters.auth or Open()
    usable = _usable_credentials(listener, secrets)
    pieces = request.spooled.pieces if request.spooled else None
    signed = verify.SignedRequest(request.headers, request.body, request.received_at.timestamp(), pieces)
    proof = verify.verify(scheme, usable, signed)
    proving = frozenset(verify.authenticating_headers(scheme, usable))
    if proof.answer is not None:
        return Verdict(
            AnsweredRequest(proof.answer, "URL verification: the request was answered and started no execution."),
            proving,
        )
    try:
        body = unpacked_body(request.headers, request.body, parameters.max_body_bytes)
        item = {
            "method": request.method,
            "path": request.path,
            "headers": {
                without_nul(name): without_nul(value)
                for name, value in request.headers.items()
                if name not in NOT_KEPT and name not in proving
            },
            "query": first_or_all(read_query(request.query_string)),
            # A spooled body is read when its files are stored.
            "body": None if pieces else read_body(request.headers.get("content-type", ""), body),
        }
    except BadBody as error:
        return Verdict(RefusedRequest(400, str(error)), proving, proof.message_id)
    except RefusedBody as error:
        return Verdict(error.refusal, proving, proof.message_id)
    if listener.path_parameters:
        item["params"] = {name: without_nul(value) for name, value in listener.path_parameters.items()}
    unpacked_bytes = 0 if body is request.body else len(body)
    return Verdict(AcceptedRequest(item, proof.message_id, unpacked_bytes), proving, proof.message_id)


def _usable_credentials(listener: Listener, secrets: Mapping[Reference, Opened]) -> list[Mapping[str, str]]:
    """Return the fields of the usable credentials. Raises verify.UnusableSecret if there are none."""
    if listener.auth is None or not listener.credentials:
        return []
    required_type = CREDENTIAL_TYPE.get(listener.auth.type, SIGNING)
    usable, problems = [], []
    for reference in listener.credentials:
        opened = secrets.get(reference, Opened(problem=f"There is no credential {reference[1]!r}."))
        if opened.problem:
            problems.append(opened.problem)
        elif opened.type != required_type:
            problems.append(
                f"The credential {reference[1]!r} has the type {opened.type}; this scheme needs {required_type}."
            )
        else:
            usable.append(opened.fields)
    if not usable:
        raise verify.UnusableSecret(" ".join(problems))
    return usable


def _proving_headers(listener: Listener, secrets: Mapping[Reference, Opened]) -> frozenset[str]:
    """Return the headers that authenticate the caller, whether or not they could be verified."""
    if listener.auth is None:
        return frozenset()
    known = [
        secrets[reference].fields
        for reference in listener.credentials
        if reference in secrets and "name" in secrets[reference].fields
    ]
    return frozenset(verify.authenticating_headers(listener.auth, known))
