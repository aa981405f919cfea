import threading

import pytest

from proxyset.encoders.ahead import ahead, read_ahead


def test_results_come_in_order():
    assert list(ahead(lambda n: n * n, range(50))) == [n * n for n in range(50)]
    assert list(ahead(str, [])) == []
    assert list(read_ahead(iter(range(50)))) == list(range(50))
    assert list(read_ahead(iter([]))) == []


def test_little_is_held():
    made = []
    results = ahead(lambda n: made.append(n) or n, range(1000))
    assert next(results) == 0
    results.close()
    assert len(made) <= 6


def test_the_next_is_fetched_meanwhile():
    fetched = threading.Event()

    def items():
        yield 1
        fetched.set()
        yield 2

    reading = read_ahead(items())
    assert next(reading) == 1
    assert fetched.wait(10)
    reading.close()


def test_errors_come_in_their_turn():
    def items():
        yield 1
        raise OSError("gone")

    for results in (read_ahead(items()), ahead(lambda n: 1 // (1 - n), [0, 1, 0])):
        assert next(results) == 1
        with pytest.raises((OSError, ZeroDivisionError)):
            next(results)
