"""No models.

Django imports this module of an installed app, whichever ``apps.py`` is in the package; so this
is where a mixture of two distributions can be noticed (:mod:`channels.distributions`).
"""

from __future__ import annotations

from typing import Any

from django.core import checks

from channels.distributions import REMEDY, find_mixture, warn_if_overwritten


@checks.register("channels")
def check_distributions(**kwargs: Any) -> list[checks.CheckMessage]:
    """Find the distribution whose package has the same name as ours."""
    mixture = find_mixture()
    return [checks.Error(mixture, hint=REMEDY, id="channels.E001")] if mixture else []


warn_if_overwritten()
