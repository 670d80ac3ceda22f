"""The columns of the list of executions: which there are, and which a user sees."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from executions.domain.attributes import KEY_PATTERN, MAX_KEY
from executions.models import ColumnChoice
from workflow_platform.core.accounts.models import User

LABELS: dict[str, str | Promise] = {
    "trigger": _("Trigger"),
    "version": _("Version"),
    "mode": _("Mode"),
    "priority": _("Priority"),
    "by": _("Started by"),
    "failed_node": _("Failed at node"),
    "attributes": _("Attributes"),
    "queued": _("Queued"),
    "started": _("Started"),
    "ended": _("Ended"),
    "duration": _("Duration"),
}
_SORT_LABELS: dict[str, str | Promise] = {
    "queued": _("Sort by queued"),
    "ended": _("Sort by ended"),
    "duration": _("Sort by duration"),
}
USUAL = ("trigger", "version", "queued", "duration")
MAX_COLUMNS = 16
ATTRIBUTE = "attribute."
"""The column of one attribute is called by this and the key."""
_ATTRIBUTE = re.compile(rf"attribute\.(?={KEY_PATTERN}\Z).{{1,{MAX_KEY}}}")
_SORTS: dict[str, tuple[str, str]] = {
    "queued": ("queued", ""),
    "ended": ("ended", "-ended"),
    "duration": ("duration", "-duration"),
}
_NARROW = ("queued", "duration")


@dataclass(frozen=True, slots=True)
class Column:
    """A column beside the status and the workflow."""

    name: str

    @property
    def label(self) -> str:
        """Return its heading."""
        return str(LABELS.get(self.name) or self.attribute)

    @property
    def sort_label(self) -> str:
        """Return what its heading does; empty if nothing is sorted by it."""
        return str(_SORT_LABELS.get(self.name, ""))

    @property
    def attribute(self) -> str:
        """Return the key of its attribute; empty if it is another column."""
        return self.name.removeprefix(ATTRIBUTE) if self.name.startswith(ATTRIBUTE) else ""

    @property
    def sorts(self) -> tuple[str, str] | None:
        """Return the ascending and the descending order by it; None if there is none."""
        return _SORTS.get(self.name)

    @property
    def width(self) -> Literal["narrow", "wide", "extra"]:
        """Return where it is shown: everywhere, on wide screens only, or on narrow ones in a line of its own."""
        if self.name in _NARROW:
            return "narrow"
        return "wide" if self.name in USUAL else "extra"


def is_column(name: str) -> bool:
    """Return whether a column has this name."""
    return name in LABELS or _ATTRIBUTE.fullmatch(name) is not None


def columns_of(names: Iterable[str]) -> list[Column]:
    """Return the columns with these names in their order: attributes of their own before the times."""
    known = [name for name in dict.fromkeys(names) if is_column(name)]
    places = {name: place for place, name in enumerate(LABELS)}
    return [Column(name) for name in sorted(known, key=lambda name: (places.get(name, places["attributes"]), name))]


def chosen_columns(user: User) -> list[str]:
    """Return the names of the columns that a user has chosen, or the usual ones."""
    choice = ColumnChoice.objects.filter(pk=user.pk).first()
    return list(USUAL) if choice is None else choice.columns


def choose_columns(user: User, names: Iterable[str]) -> list[str]:
    """Set the columns that the list shows to a user. Returns their names."""
    columns = [column.name for column in columns_of(names)][:MAX_COLUMNS]
    ColumnChoice.objects.update_or_create(pk=user.pk, defaults={"columns": columns})
    return columns
