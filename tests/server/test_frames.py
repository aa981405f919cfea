from hypothesis import given
from hypothesis import strategies as st

from proxyset.server.frames import Frames, framed

MESSAGES = st.lists(st.tuples(st.integers(0, 2**62), st.text(max_size=9), st.binary(max_size=99)), max_size=5)


@given(st.lists(MESSAGES, max_size=5), st.lists(st.integers(1, 50), min_size=1))
def test_frames_arrive_whole_however_they_are_cut(sent, cuts):
    stream, frames, found, turn = b"".join(map(framed, sent)), Frames(), [], 0
    while stream:
        size = cuts[turn % len(cuts)]
        found += frames.feed(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert found == sent
