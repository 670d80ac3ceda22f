"""Whether a request to /hooks/ may start its workflow, and what it brings. Asks nobody: all that it needs is given."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

from django.conf import settings

from executions.nodes.webhook_trigger import WebhookTriggerParameters
from executions.triggers.hooks.listeners import Listener
from executions.triggers.hooks.requests import AcceptedRequest, Answered, HookRequest, RefusedRequest, Verdict
from executions.triggers.hooks.secrets import Opened, Reference
from webhooks.inbound import verify
from webhooks.inbound.bodies import BadBody, first_or_all, read_body, read_query, without_nul
from webhooks.inbound.limits import Buckets, lower
from webhooks.inbound.schemes import CREDENTIAL_TYPE, SIGNING, Open
from workflow_platform.core.requests.client_address import counted_as, networks, within

NOT_KEPT = frozenset({"authorization", "cookie", "proxy-authorization"})
TESTS_PER_SECOND, TESTS_BURST = 2.0, 20.0
"""Requests to the test URL of one path: each becomes an event."""
NOBODY = "No active workflow listens here."
_CANNOT_CHECK = "This webhook cannot check who calls at the moment."


class Verifier:
    """Judges requests for one process; it counts them. For one thread."""

    def __init__(self) -> None:
        self._buckets = Buckets()

    def judge(self, request: HookRequest, found: Listener | None, secrets: Mapping[Reference, Opened]) -> Verdict:
        """Return whether the request may start the workflow that listens."""
        parameters = found.parameters if found else None
        refused = self._from_one_address(request, parameters) or rejection(request, found)
        if refused is not None or found is None or parameters is None:
            return Verdict(refused or RefusedRequest(404, NOBODY))
        try:
            judged = _checked(request, found, parameters, secrets)
        except verify.Refusal as error:
            headers = {"WWW-Authenticate": error.challenge} if error.challenge else {}
            return Verdict(
                RefusedRequest(401, "Who calls is not proven.", headers, str(error)), _proving(found, secrets)
            )
        except verify.UnusableSecret as error:
            return Verdict(RefusedRequest(503, _CANNOT_CHECK, reason=str(error)), _proving(found, secrets))
        if isinstance(judged.outcome, AcceptedRequest):
            # Only now: those who have proved nothing use up nobody's share.
            refused = self._to_one_path(request, parameters)
        return judged if refused is None else Verdict(refused, judged.proving, judged.message_id)

    def _from_one_address(
        self, request: HookRequest, parameters: WebhookTriggerParameters | None
    ) -> RefusedRequest | None:
        own = parameters.requests_per_second_and_address if parameters else None
        limit, address = lower(own, settings.HOOK_REQUESTS_PER_SECOND_AND_ADDRESS), counted_as(request.address)
        # Of paths where nobody listens there are as many as somebody makes up.
        key = (request.path if parameters else "", address)
        if limit and (wait := self._buckets.take(key, time.monotonic(), limit)):
            return _too_many(wait, f"{limit:g} requests per second from {address}")
        return None

    def _to_one_path(self, request: HookRequest, parameters: WebhookTriggerParameters) -> RefusedRequest | None:
        limit, burst = lower(parameters.requests_per_second, settings.HOOK_REQUESTS_PER_SECOND), None
        if request.test:
            limit, burst = lower(limit, TESTS_PER_SECOND), TESTS_BURST
        key = (request.path, request.test)
        if limit and (wait := self._buckets.take(key, time.monotonic(), limit, burst)):
            return _too_many(wait, f"{limit:g} requests per second")
        return None


def _too_many(wait: float, limit: str) -> RefusedRequest:
    headers = {"Retry-After": str(max(1, math.ceil(wait)))}
    return RefusedRequest(429, "There are too many requests.", headers, f"More than {limit}.")


def rejection(request: HookRequest, found: Listener | None) -> RefusedRequest | None:
    """Return why the request is refused whoever it is from, whatever its body says."""
    refused = _unfit(request, found)
    if request.unread is None or (refused is not None and refused.status == request.unread[0]):
        return refused  # this one knows more: the reason, and the headers
    return RefusedRequest(*request.unread)


def _unfit(request: HookRequest, found: Listener | None) -> RefusedRequest | None:
    if found is None:
        return RefusedRequest(404, "No workflow has this path." if request.test else NOBODY)
    parameters = found.parameters
    if parameters is None:
        return RefusedRequest(503, _CANNOT_CHECK, reason=found.problem)
    if request.method not in parameters.methods:
        allowed = ", ".join(parameters.methods)
        return RefusedRequest(405, f"This webhook takes {allowed}.", {"Allow": allowed})
    allowed_from = networks(tuple(parameters.allow_from))
    if allowed_from and (request.address is None or not within(request.address, allowed_from)):
        return RefusedRequest(
            403, "This address may not call.", reason=f"{request.address} is none of the allowed addresses."
        )
    limit, size = parameters.max_body_bytes, max(len(request.body), request.body_bytes)
    if limit is not None and size > limit:
        return RefusedRequest(413, f"The body has {size} bytes; at most {limit} are allowed.")
    return None


def _checked(
    request: HookRequest, found: Listener, parameters: WebhookTriggerParameters, secrets: Mapping[Reference, Opened]
) -> Verdict:
    """Return what a request brings that is from who it should be from. Raises verify.Refusal, verify.UnusableSecret."""
    scheme = parameters.auth or Open()
    usable = _usable(found, secrets)
    signed = verify.Signed(request.headers, request.body, request.received_at.timestamp())
    proved = verify.verify(scheme, usable, signed)
    proving = frozenset(verify.authenticating_headers(scheme, usable))
    if proved.answer is not None:
        return Verdict(Answered(proved.answer, "A check of the URL: answered, nothing was started."), proving)
    try:
        item = {
            "method": request.method,
            "path": request.path,
            "headers": {
                without_nul(name): without_nul(value)
                for name, value in request.headers.items()
                if name not in NOT_KEPT and name not in proving
            },
            "query": first_or_all(read_query(request.query_string)),
            "body": read_body(request.headers.get("content-type", ""), request.body),
        }
    except BadBody as error:
        return Verdict(RefusedRequest(400, str(error)), proving, proved.message_id)
    return Verdict(AcceptedRequest(item, proved.message_id), proving, proved.message_id)


def _usable(found: Listener, secrets: Mapping[Reference, Opened]) -> list[Mapping[str, str]]:
    """Return the fields of the credentials that can be used. Raises verify.UnusableSecret if there are none."""
    if found.auth is None or not found.credentials:
        return []
    wanted = CREDENTIAL_TYPE.get(found.auth.type, SIGNING)
    usable, problems = [], []
    for reference in found.credentials:
        opened = secrets.get(reference, Opened(problem=f"There is no credential {reference[1]!r}."))
        if opened.problem:
            problems.append(opened.problem)
        elif opened.type != wanted:
            problems.append(f"The credential {reference[1]!r} is of the type {opened.type}; {wanted} is needed.")
        else:
            usable.append(opened.fields)
    if not usable:
        raise verify.UnusableSecret(" ".join(problems))
    return usable


def _proving(found: Listener, secrets: Mapping[Reference, Opened]) -> frozenset[str]:
    """Return the headers that hold what proves who calls, also where it could not be checked."""
    if found.auth is None:
        return frozenset()
    known = [secrets[each].fields for each in found.credentials if each in secrets and "name" in secrets[each].fields]
    return frozenset(verify.authenticating_headers(found.auth, known))
