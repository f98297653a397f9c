"""Who is given what, and which answer counts: the rules one by one, then a storm in which nothing may be lost or answered twice."""

import random

import pytest

from kernelsearch.workers.crew.dispatch import Dispatcher, Terms


def crew(seats: int = 2, **terms) -> Dispatcher:
    dispatcher = Dispatcher(seats, Terms(**{"room": 2, **terms}))
    for seat in range(seats):
        dispatcher.ready(seat)
    return dispatcher


def given(dispatcher: Dispatcher, *numbers: int, now: float = 0.0) -> list[tuple[int, int]]:
    """Puts requests and hands out; (seat, number) of each."""
    for number in numbers:
        dispatcher.put(number)
    return [(handed.seat, handed.number) for handed in dispatcher.hand_out(now)]


def test_who_holds_least_is_given_first_and_nobody_more_than_there_is_room():
    dispatcher = crew()
    assert given(dispatcher, 10, 11, 12, 13, 14) == [(0, 10), (1, 11), (0, 12), (1, 13)]
    assert dispatcher.answered(1, 11, 1.0) and given(dispatcher) == [(1, 14)]


def test_a_seat_is_given_nothing_before_it_is_ready():
    dispatcher = Dispatcher(2, Terms())
    assert given(dispatcher, 1) == [] and dispatcher.at_work == 0
    dispatcher.ready(1)
    assert given(dispatcher) == [(1, 1)] and dispatcher.at_work == 1


def test_what_was_in_hand_at_a_loss_goes_first_and_alone():
    dispatcher = crew()
    given(dispatcher, 1, 2, 3)
    assert dispatcher.lost(0, "it died").renew
    assert given(dispatcher, 4) == []  # seat 1 is to become empty for one of the two that are doubted
    assert dispatcher.answered(1, 2, 1.0)
    assert given(dispatcher) == [(1, 1)]
    dispatcher.ready(0)
    assert given(dispatcher) == [(0, 3)]
    assert given(dispatcher, 5) == []
    assert dispatcher.answered(3, 1, 2.0)
    assert given(dispatcher) == [(1, 4), (1, 5)]


def test_a_seat_that_is_lost_while_it_empties_keeps_nobody_waiting():
    dispatcher = crew(seats=3)
    given(dispatcher, 1, 2, 3)
    dispatcher.lost(0, "it died")
    assert given(dispatcher) == []  # seat 1 is to become empty
    dispatcher.lost(1, "taken away, for good", blamed=False)
    assert given(dispatcher) == []  # so is seat 2 now
    assert dispatcher.answered(2, 3, 1.0)
    assert given(dispatcher) == [(2, 1)]
    assert dispatcher.answered(3, 1, 2.0)
    assert given(dispatcher) == [(2, 2)]


def test_a_request_is_given_up_after_so_many_losses_with_each_reason():
    dispatcher = crew(seats=3, failures=2)
    given(dispatcher, 1)
    assert dispatcher.lost(0, "first").given_up == ()
    assert given(dispatcher) == [(1, 1)]
    assert dispatcher.lost(1, "second").given_up == ((1, ("first", "second")),)
    assert given(dispatcher) == [] and dispatcher.open_requests() == []


def test_a_machine_that_is_taken_away_is_nobodys_fault():
    dispatcher = crew(seats=1, failures=1, restarts=1)
    given(dispatcher, 1, 2)
    loss = dispatcher.lost(0, "preempted", blamed=False)
    assert loss.renew and loss.given_up == ()
    dispatcher.ready(0)
    assert given(dispatcher) == [(0, 1), (0, 2)]


def test_a_seat_that_falls_again_and_again_is_not_started_again():
    dispatcher = crew(seats=2, restarts=2)
    assert dispatcher.lost(0, "no GPU").renew and not dispatcher.lost(0, "no GPU").renew
    assert dispatcher.alive == 1 and not dispatcher.lost(0, "once more").renew
    dispatcher.ready(0)  # a late word of it
    assert given(dispatcher, 1, 2, 3) == [(1, 1), (1, 2)]


def test_an_answer_in_between_forgives_a_seat():
    dispatcher = crew(seats=1, restarts=2)
    for turn, number in enumerate((1, 2, 3)):
        given(dispatcher, number)
        assert dispatcher.answered(turn, number, 1.0) and dispatcher.lost(0, "it died").renew
        dispatcher.ready(0)


def test_the_first_answer_counts_whoever_gives_it():
    dispatcher = crew()
    given(dispatcher, 1)
    dispatcher.lost(0, "silent")
    assert given(dispatcher) == [(1, 1)]
    assert dispatcher.answered(0, 1, 5.0)  # of the life that was given up
    assert not dispatcher.answered(1, 1, 6.0)
    assert (dispatcher.count.answered, dispatcher.count.late) == (1, 1)
    assert given(dispatcher, 2, 3, 4) == [(1, 2), (1, 3)]  # it has all its room again


def test_what_was_answered_while_it_waited_is_not_given_again():
    dispatcher = crew(seats=1)
    given(dispatcher, 1, 2)
    dispatcher.lost(0, "silent")
    assert dispatcher.answered(0, 1, 5.0)
    dispatcher.ready(0)
    assert given(dispatcher) == [(0, 2)]


def test_a_seat_is_overdue_after_its_patience_and_ten_times_the_longest():
    dispatcher = crew(seats=2, patience_s=30.0)
    assert dispatcher.due_in(0.0) is None
    given(dispatcher, 1, 2)
    assert dispatcher.due_in(10.0) == 20.0 and dispatcher.overdue(29.0) is None and dispatcher.overdue(30.0) == 0
    assert dispatcher.answered(1, 2, 8.0)
    assert dispatcher.patience_s == 80.0 and dispatcher.overdue(79.0) is None and dispatcher.overdue(80.0) == 0
    dispatcher.lost(0, "silent")
    assert dispatcher.overdue(1e9) is None


def test_new_seats_take_part():
    dispatcher = crew(seats=1, room=1)
    dispatcher.add(1)
    assert given(dispatcher, 1, 2) == [(0, 1)]
    dispatcher.ready(1)
    assert given(dispatcher) == [(1, 2)]


@pytest.mark.parametrize("seed", range(20))
def test_in_a_storm_all_is_answered_once_and_no_seat_holds_too_much(seed):
    dice = random.Random(seed)
    terms = Terms(room=dice.randint(1, 3), failures=3, restarts=4, patience_s=50.0)
    dispatcher = Dispatcher(5, terms)
    done, given_up, hands, stale, killers = [], [], {}, [], {7, 19}
    for seat in range(5):
        dispatcher.ready(seat)
    for number in range(60):
        dispatcher.put(number)
    for now in range(4000):
        for handed in dispatcher.hand_out(now):
            held = [number for seat, number in hands.values() if seat == handed.seat]
            assert len(held) < terms.room and handed.number not in done and handed.number not in given_up
            hands[handed.turn] = (handed.seat, handed.number)
        if not hands:
            break
        turn = dice.choice(list(hands))
        seat, number = hands[turn]
        if number in killers or dice.random() < 0.1:
            blamed = number in killers or dice.random() < 0.1
            loss = dispatcher.lost(seat, "lost", blamed=blamed)
            given_up += [request for request, _ in loss.given_up]
            stale += [(each, hands.pop(each)[1]) for each in [each for each in hands if hands[each][0] == seat]]
            if loss.renew:
                dispatcher.ready(seat)
            else:
                dispatcher.add(5 + now)
                dispatcher.ready(5 + now)
        elif stale and dice.random() < 0.2:
            late = stale.pop()
            done += [late[1]] if late[1] not in killers and dispatcher.answered(*late, now) else []
        else:
            del hands[turn]
            done += [number] if dispatcher.answered(turn, number, now) else []
    assert len(done) == len(set(done)) and sorted(done + given_up) == list(range(60))
    assert killers <= set(given_up) and dispatcher.open_requests() == []
