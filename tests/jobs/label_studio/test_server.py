import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyset.errors import InvalidInput
from proxyset.jobs.label_studio.server import Server, labeling_config, read_config

_name = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@pytest.mark.parametrize("kind", ["image", "text"])
@given(classes=st.lists(_name, min_size=2, max_size=6))
def test_any_class_name_comes_back_out_of_the_configuration(kind, classes):
    assert read_config(labeling_config(classes, kind)) == (classes, kind)


def test_the_key_of_a_digit_is_that_digit():
    assert '<Choice value="0" hotkey="0"/>' in labeling_config(list("0123456789"), "image")
    assert "hotkey" not in labeling_config(["a", "A"], "image") + labeling_config(["1", "10"], "image")


def test_other_configurations_are_none_of_ours():
    assert read_config("<View/>") == ([], "")
    assert read_config("no XML") == ([], "")
    boxes = '<View><Image name="i" value="$photo"/><Choices name="c" toName="i"><Choice value="a"/></Choices></View>'
    assert read_config(boxes) == (["a"], "")


def test_the_token_is_in_no_repr():
    assert "secret" not in repr(Server("http://localhost", "secret"))


def test_an_address_needs_its_scheme():
    with (
        Server("localhost:8080", "token") as server,
        pytest.raises(InvalidInput, match="does not begin with http"),
    ):
        server.find_project("name")
