"""Limits of time, by a clock that stands still until a test moves it."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from symflops import deadline
from symflops.deadline import OutOfTimeError, TooLongError


class Clock:
    """Seconds of the thread, as many as a test says."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def work(self, seconds: float) -> None:
        """What takes so long, and then asks about the limit."""
        self.seconds += seconds
        deadline.check()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr(deadline, "thread_time", found)
    monkeypatch.setattr(deadline, "monotonic", found)
    before = deadline._untimed.get()
    yield found
    deadline._untimed.set(before)


def is_over() -> bool:
    try:
        deadline.check()
    except OutOfTimeError:
        return True
    return False


def test_a_limit_is_over_when_its_seconds_are_and_no_earlier(clock: Clock) -> None:
    with deadline.limit(5):
        clock.seconds += 4
        assert not is_over()
        clock.seconds += 1
        assert is_over()
    assert not is_over()


@pytest.mark.parametrize(("outer", "inner"), [(2, 5), (5, 2)])
def test_of_two_limits_the_one_that_ends_earlier_holds_inside(clock: Clock, outer: int, inner: int) -> None:
    with deadline.limit(outer):
        with deadline.limit(inner):
            clock.seconds += 2
            assert is_over()
        assert is_over() is (outer == 2)  # the inner one is no limit any more


def test_an_inner_limit_ends_from_when_it_begins(clock: Clock) -> None:
    with deadline.limit(10):
        clock.seconds += 3
        with deadline.limit(4):
            clock.seconds += 3
            assert not is_over()
            clock.seconds += 1
            assert is_over()


@pytest.mark.parametrize("seconds", [10**400, float("inf"), 1e300])
def test_a_limit_may_be_as_long_as_one_likes(clock: Clock, seconds: float) -> None:
    with deadline.limit(seconds):
        clock.seconds += 10**9
        assert not is_over()

    @deadline.call("the sum", seconds)
    def total() -> int:
        clock.seconds += 10**9
        deadline.check()
        return 7

    assert total() == 7


def test_a_call_says_what_took_too_long(clock: Clock) -> None:
    with pytest.raises(TooLongError, match=r"^the sum takes more than 2.5 s of processor time$"):
        deadline.call("the sum", 2.5)(clock.work)(3)


def test_a_decorated_call_has_its_time_anew_each_time(clock: Clock) -> None:
    @deadline.call("the sum", 5)
    def total() -> int:
        clock.seconds += 3
        deadline.check()
        return 7

    assert [total(), total(), total()] == [7, 7, 7]


@pytest.mark.parametrize(
    ("around", "error"), [(1, OutOfTimeError), (2, OutOfTimeError), (3, TooLongError), (10**400, TooLongError)]
)
def test_whose_limit_ends_first_says_so(clock: Clock, around: int, error: type[Exception]) -> None:
    """A call of 2 s within a limit: at the same end it is for whoever set the limit."""
    with pytest.raises(error), deadline.limit(around):
        deadline.call("the sum", 2)(clock.work)(5)


def test_what_is_untimed_counts_for_no_limit(clock: Clock) -> None:
    begun = deadline.now()
    with deadline.limit(5):
        with deadline.untimed():
            clock.seconds += 100
            with deadline.untimed():
                clock.seconds += 200
        clock.seconds += 4
        assert deadline.now() - begun == 4
        assert not is_over()
        clock.seconds += 1
        assert is_over()


def test_untimed_work_that_fails_counts_for_no_limit_either(clock: Clock) -> None:
    begun = deadline.now()

    @deadline.untimed()
    def fail() -> None:
        clock.seconds += 100
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert deadline.now() == begun


@pytest.mark.parametrize(("generation", "counted"), [(0, 7), (1, 7), (2, 0)])
def test_full_passes_of_the_collector_count_for_no_limit(clock: Clock, generation: int, counted: int) -> None:
    (leave_out,) = [c for c in gc.callbacks if c.__module__ == deadline.__name__]  # type: ignore[attr-defined]  # a function
    clock.seconds += 11
    begun = deadline.now()
    leave_out("start", {"generation": generation})
    clock.seconds += 7
    leave_out("stop", {"generation": generation})
    assert deadline.now() - begun == pytest.approx(counted)
