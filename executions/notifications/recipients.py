"""Who is notified of a fact."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from executions.models import EmailChoice, MutedWorkflow, NotificationKind, NotificationPreference, WorkflowScope
from executions.notifications.facts import NotableFact
from workflow_platform.core.accounts.models import Membership, Role


@dataclass(frozen=True, slots=True)
class FactRecipient:
    """A user who is notified: on pages, by email, or both."""

    user_id: int
    time_zone: str
    in_page: bool
    email: EmailChoice


class Audience:
    """The members of the workspaces of some facts, with their preferences."""

    def __init__(self, facts: Collection[NotableFact]) -> None:
        self._members: dict[UUID, list[Membership]] = {}
        members = Membership.objects.filter(workspace__in={fact.workspace_id for fact in facts}, user__is_active=True)
        for member in members.select_related("notification_preference", "user").order_by("user"):
            self._members.setdefault(member.workspace_id, []).append(member)
        users = {member.user_id for group in self._members.values() for member in group}
        general = NotificationPreference.objects.filter(user__in=users, membership=None)
        self._general = {preference.user_id: preference for preference in general}
        workflows = {fact.workflow_id for fact in facts if fact.workflow_id}
        muted = MutedWorkflow.objects.filter(workflow__in=workflows, user__in=users).order_by()
        self._muted = set(muted.values_list("user_id", "workflow_id"))

    def of(self, fact: NotableFact) -> list[FactRecipient]:
        """Return who is notified of a fact, each user once, without those who do not want it."""
        recipients = []
        for member in self._concerned(fact, self._members.get(fact.workspace_id, [])):
            preference = self._preference_of(member)
            email = preference.email_for(fact.kind)
            wanted = preference.in_page or email != EmailChoice.OFF
            if wanted and (member.user_id, fact.workflow_id) not in self._muted:
                zone = member.user.time_zone
                recipients.append(FactRecipient(member.user_id, zone, preference.in_page, email))
        return recipients

    def _concerned(self, fact: NotableFact, members: Iterable[Membership]) -> list[Membership]:
        able = [member for member in members if member.role in Role(fact.needs).and_above]
        if fact.kind is NotificationKind.APPROVAL:
            return [member for member in able if fact.assignee_id in {None, member.user_id}]
        if fact.kind is NotificationKind.ENDPOINT:
            return able
        owners = [member for member in able if member.user_id == fact.owner_id]
        owners = owners or [member for member in able if member.role == Role.ADMIN]
        following = [member for member in able if self._preference_of(member).workflows == WorkflowScope.ALL]
        return list({member.user_id: member for member in (*owners, *following)}.values())

    def _preference_of(self, member: Membership) -> NotificationPreference:
        own = getattr(member, "notification_preference", None)
        return own or self._general.get(member.user_id) or _DEFAULT


_DEFAULT = NotificationPreference()
