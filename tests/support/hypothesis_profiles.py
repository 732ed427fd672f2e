"""How many examples a property is tried on: a share of them in the gate, all in ``make test-all``."""

from hypothesis import settings

SHARE = 0.3
"""Of the examples, before every commit; the profile ``thorough`` has them all."""
settings.register_profile("gate", deadline=None)
settings.register_profile("thorough", deadline=None)


def examples(count: int) -> int:
    """Examples under the profile that was chosen by ``--hypothesis-profile``."""
    return count if settings.get_current_profile_name() == "thorough" else max(10, round(count * SHARE))
