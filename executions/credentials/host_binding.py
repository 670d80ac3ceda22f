"""Where the attempts of one node send credentials, and where an edited attempt may send them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from executions.domain.errors import NodeError


class HostBinding:
    """Notes the hosts to which a node sends credentials. Bound, it lets them go to known hosts only.

    Whoever edits a node run could otherwise have a secret sent to a host of their own. The check is made with each
    request: expressions decide late which host it is.
    """

    __slots__ = ("_bound", "sent")

    def __init__(self, bound: Mapping[str, Collection[str]] | None = None) -> None:
        """`bound`: the only hosts, by the credential's id; None: every host that the credential allows."""
        self._bound = bound
        self.sent: dict[str, set[str]] = {}

    def check(self, credential: str, name: str, host: str, *, has_list: bool) -> None:
        """Note that a credential is sent to a host. Raises NodeError if it must not be; `has_list`: it has a list of
        hosts, which was checked before and decides alone."""
        host = host.lower()
        if self._bound is not None and not has_list and host not in self._bound.get(credential, ()):
            known = ", ".join(sorted(self._bound.get(credential, ()))) or "no host"
            raise NodeError(
                f"The credential {name!r} was not sent to {host!r}: this node run was edited, and before that the node"
                f" sent the credential to {known}. An admin of the workspace can edit the node run, or list the host"
                " in the credential's allowed hosts."
            )
        self.sent.setdefault(credential, set()).add(host)

    def hosts(self) -> dict[str, list[str]]:
        """Return the hosts so far, by the credential's id."""
        return {credential: sorted(hosts) for credential, hosts in list(self.sent.items())}
