"""The groups of one process as a state machine: mailbox items in, members out, no I/O.

Redis is the authority on which channels of a process are in which group, until when, with a
*number* that grows by one at each change.  The process keeps this copy, so that a group
message needs one item in its mailbox and not one for each member.  Join and leave items carry
the number of their change, group items that at the time of sending.

A number that does not follow means that something was missed (:class:`Drift`): the caller
reads the authority and calls :meth:`Memberships.rebuild`; changes that were queued before come
later and are passed over.  One that goes *backwards* means that Redis lost its memory and
counts anew: :meth:`Memberships.authority_lost` keeps the copy, which is all there is, later
changes are applied to it, and the caller writes it back.

Locals are the parts of channel names behind the ``!``.  Times are seconds on the layer's clock.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable

#: One membership: group, local part, expiry on the layer's clock in seconds.
Membership = tuple[str, str, float]


class Drift(enum.Enum):
    """Whether copy and authority still agree, as far as one item can tell."""

    #: The item followed what came before it.
    NONE = "none"
    #: At least one change was missed; read the authority, rebuild, and feed the item again.
    MISSED = "missed"
    #: The authority counts anew; it has lost what it knew.
    RESTARTED = "restarted"


class _Group:
    """Members of one group in join order, and what makes reading them cheap."""

    __slots__ = ("earliest", "members", "ordered")

    def __init__(self) -> None:
        self.members: dict[str, float] = {}
        self.ordered: tuple[str, ...] | None = None
        #: No member expires before this; may be too early, never too late.
        self.earliest = math.inf


class Memberships:
    """Copy of the memberships of one process.

    Attributes:
        number: Number of the last change that the copy includes.
    """

    def __init__(self) -> None:
        self.number = 0
        #: Highest number that an item of the list has shown.
        self._seen = 0
        #: Number of the item that showed a drift, and whether there was a rebuild since.
        self._missing_for = 0
        self._rebuilt_for = 0
        self._groups: dict[str, _Group] = {}
        self._groups_of: dict[str, set[str]] = {}
        #: Whether the copy knows more than the authority.  A rebuild only adds then, so
        #: changes that it includes already are applied all the same: in order, each
        #: item brings its channel to the state that the authority has.
        self._alone = False

    # -- items of the mailbox ------------------------------------------------------

    def join(self, number: int, group: str, local: str, expiry: float) -> Drift:
        """Apply a join item, if nothing was missed before it."""
        drift = self._admit(number)
        if drift is Drift.NONE and (number > self.number or self._alone):
            self.number = max(self.number, number)
            self._add(group, local, expiry)
        return drift

    def leave(self, number: int, group: str, local: str) -> Drift:
        """Apply a leave item, if nothing was missed before it."""
        drift = self._admit(number)
        if drift is Drift.NONE and (number > self.number or self._alone):
            self.number = max(self.number, number)
            self._remove(group, local)
        return drift

    def check(self, number: int) -> Drift:
        """Compare with the number that a group item carries; call before :meth:`members`."""
        if number < self._seen:
            return Drift.RESTARTED
        if number > self.number and self._asks_for_rebuild(number):
            return Drift.MISSED
        self._seen = number
        return Drift.NONE

    def _admit(self, number: int) -> Drift:
        if number <= self._seen:
            return Drift.RESTARTED
        if number > self.number + 1 and self._asks_for_rebuild(number):
            return Drift.MISSED
        self._seen = number
        return Drift.NONE

    def _asks_for_rebuild(self, number: int) -> bool:
        # An authority that lost its memory may know of fewer changes than items that
        # were taken before; to ask it once more would not help.
        self._missing_for = number
        return self._rebuilt_for != number

    # -- the authority ---------------------------------------------------------------

    def rebuild(self, number: int, memberships: Iterable[Membership]) -> Drift:
        """Replace the copy by what the authority held at ``number``.

        Between :meth:`authority_lost` and :meth:`written_back` it is added to the copy
        instead.  ``Drift.RESTARTED`` if the number shows that the authority was lost.
        """
        restarted = number < self._seen
        if restarted:
            self.authority_lost()
        kept = self._groups
        if not self._alone:
            self._groups = {}
            self._groups_of = {}
        fresh: dict[str, dict[str, float]] = {}
        for group, local, expiry in memberships:
            fresh.setdefault(group, {})[local] = expiry
        for group, members in fresh.items():
            # Those known before stay where they are in the order of joining.
            known = kept[group].members if group in kept else {}
            for local in [*(m for m in known if m in members), *members]:
                self._add(group, local, members[local])
        self.number = number
        self._rebuilt_for = self._missing_for
        return Drift.RESTARTED if restarted else Drift.NONE

    def authority_lost(self) -> None:
        """Keep the copy as all there is: Redis lost its memory and counts from 0."""
        self.number = 0
        self._seen = 0
        self._alone = True

    def written_back(self) -> None:
        """Trust the authority again: it holds what the copy holds."""
        self._alone = False

    def all_memberships(self, now: float) -> list[Membership]:
        """Return every membership that has not expired, groups and members in join order."""
        return [
            (name, local, expiry)
            for name, group in self._groups.items()
            for local, expiry in group.members.items()
            if expiry > now
        ]

    def renew(self, local: str, expiry: float) -> list[str]:
        """Let the memberships of ``local`` live until ``expiry``; return their groups."""
        names = sorted(self._groups_of.get(local, ()))
        for name in names:
            members = self._groups[name].members
            members[local] = max(expiry, members[local])
        return names

    # -- reading ---------------------------------------------------------------------

    def members(self, group: str, now: float) -> tuple[str, ...]:
        """Return the members that have not expired, in the order in which they joined."""
        found = self._groups.get(group)
        if found is None:
            return ()
        if found.earliest <= now:
            self._expire(group, found, now)
        if found.ordered is None:
            found.ordered = tuple(found.members)
        return found.ordered

    def memberships(self, local: str) -> tuple[str, ...]:
        """Return the groups that ``local`` is in, sorted; some may have expired just now."""
        return tuple(sorted(self._groups_of.get(local, ())))

    # -- changes ---------------------------------------------------------------------

    def _add(self, name: str, local: str, expiry: float) -> None:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = _Group()
        if local not in group.members:
            group.ordered = None
            self._groups_of.setdefault(local, set()).add(name)
        group.members[local] = expiry
        if expiry < group.earliest:
            group.earliest = expiry

    def _remove(self, name: str, local: str) -> None:
        group = self._groups.get(name)
        if group is None or local not in group.members:
            return
        del group.members[local]
        group.ordered = None
        if not group.members:
            del self._groups[name]
        names = self._groups_of[local]
        names.discard(name)
        if not names:
            del self._groups_of[local]

    def _expire(self, name: str, group: _Group, now: float) -> None:
        for local in [m for m, expiry in group.members.items() if expiry <= now]:
            self._remove(name, local)
        group.earliest = min(group.members.values(), default=math.inf)
