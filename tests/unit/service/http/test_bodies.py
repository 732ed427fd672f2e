"""Bodies come in parts, from many at once; what they hold together has an end."""

from collections.abc import Iterable
from contextlib import suppress

import pytest
from starlette.types import Message, Receive

from evenhand.service.errors import NoRoom, TooLarge
from evenhand.service.http.bodies import FREE_BYTES, Bodies, BodyLimits, Held, body_limits
from evenhand.service.settings import Settings

LIMITS = BodyLimits(max_bytes=10_000, within_s=5.0, all_bytes=15_000)


def coming(parts: Iterable[bytes | None]) -> Receive:
    """What a connection brings; ``None`` is its end before the body's."""
    waiting = list(parts)

    async def receive() -> Message:
        part = waiting.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    return receive


async def full(bodies: Bodies) -> Held:
    """A request that holds all that one may."""
    held = bodies.held()
    assert await held.read({}, coming([b"a" * 1000] * 10)) == b"a" * 10_000
    return held


async def test_what_does_not_fit_beside_the_others_is_refused_until_they_are_gone() -> None:
    bodies = Bodies(LIMITS)
    first, second = await full(bodies), await full(bodies)
    third = bodies.held()
    with pytest.raises(NoRoom) as refused:
        await third.read({}, coming([b"a" * 4000] * 2))
    assert refused.value.headers() == {"retry-after": "1", "connection": "close"}
    third.let_go()
    first.let_go()
    assert bodies.bytes == 10_000 - FREE_BYTES
    await full(bodies)
    second.let_go()


async def test_small_ones_get_in_beside_large_ones_that_fill_the_room() -> None:
    bodies = Bodies(BodyLimits(max_bytes=10_000, within_s=5.0, all_bytes=10_000 - FREE_BYTES))
    await full(bodies)
    for _ in range(100):
        assert await bodies.held().read({}, coming([b"b" * FREE_BYTES])) == b"b" * FREE_BYTES


@pytest.mark.parametrize(
    "parts", [[b"a" * 9000, b"a" * 2000], [b"a" * 6000, None], [b"a" * 9000, b""], [b"a" * 4000] * 2]
)
async def test_whatever_becomes_of_a_request_its_room_is_free_after_it(parts: list[bytes | None]) -> None:
    bodies = Bodies(LIMITS)
    held = bodies.held()
    with suppress(TooLarge):
        await held.read({}, coming(parts))
    held.let_go()
    held.let_go()
    assert bodies.bytes == 0


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    with pytest.raises(TooLarge):
        await Bodies(LIMITS).held().read({b"content-length": b"10001"}, coming([]))


def test_unless_it_is_said_there_is_room_for_32_of_the_largest() -> None:
    assert body_limits(Settings(max_body_bytes=4096)) == BodyLimits(4096, 30.0, 32 * 4096)
    assert body_limits(Settings(max_bodies_bytes=10**9)).all_bytes == 10**9
