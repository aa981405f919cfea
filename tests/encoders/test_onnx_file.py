from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from proxyset.encoders.onnx_file import refuse_external_data
from proxyset.errors import InvalidData

PATH = Path("model.onnx")


def tensor(external, name="w"):
    t = helper.make_tensor(name, TensorProto.FLOAT, [2], [1.0, 2.0])
    if external:
        t.ClearField("float_data")
        t.data_location = TensorProto.EXTERNAL
        entry = t.external_data.add()
        entry.key, entry.value = "location", "../../../etc/passwd"
    return t


def model(external, where):
    """A model with one tensor, lying in one of the places where ONNX allows tensors."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    t = tensor(external)
    constant = helper.make_node("Constant", [], ["c"], value=t)
    nodes, initializers, sparse, functions = [helper.make_node("Identity", ["x"], ["y"])], [], [], []
    if where == "initializer":
        initializers = [t]
    elif where == "attribute":
        nodes.insert(0, constant)
    elif where == "subgraph":
        inner = helper.make_graph([constant], "inner", [], [])
        nodes.insert(0, helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))
    elif where == "sparse":
        sparse = [helper.make_sparse_tensor(t, helper.make_tensor("i", TensorProto.INT64, [2], [0, 1]), [4])]
    elif where == "function":
        functions = [helper.make_function("own", "f", [], ["c"], [constant], [helper.make_opsetid("", 17)])]
    graph = helper.make_graph(nodes, "g", [x], [y], initializers, sparse_initializer=sparse)
    made = helper.make_model(graph, functions=functions, opset_imports=[helper.make_opsetid("", 17)])
    if where == "training":
        made.training_info.add().initialization.initializer.append(t)
    return made.SerializeToString()


PLACES = ["initializer", "attribute", "subgraph", "sparse", "function", "training"]


@pytest.mark.parametrize("where", PLACES)
def test_tensors_in_other_files_are_found_wherever_they_hide(where):
    refuse_external_data(model(False, where), PATH)
    with pytest.raises(InvalidData, match="another file"):
        refuse_external_data(model(True, where), PATH)


def test_every_place_that_onnx_has_is_looked_at():
    """Walk ONNX's own schema: each field that can lead to a tensor is in the table."""
    from proxyset.encoders import onnx_file

    names = {
        "ModelProto": "model",
        "TrainingInfoProto": "training",
        "FunctionProto": "function",
        "GraphProto": "graph",
        "NodeProto": "node",
        "AttributeProto": "attribute",
        "SparseTensorProto": "sparse",
        "TensorProto": "tensor",
    }
    for full, name in names.items():
        expected = {
            field.number: names[field.message_type.name]
            for field in getattr(onnx, full).DESCRIPTOR.fields
            if field.message_type and field.message_type.name in names
        }
        assert onnx_file._CHILDREN.get(name, {}) == expected


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_are_refused_or_safe(data):
    whole = bytearray(model(True, data.draw(st.sampled_from(PLACES))))
    for _ in range(data.draw(st.integers(1, 5))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        refuse_external_data(damaged, PATH)
    except InvalidData:
        return
    parsed = onnx.ModelProto()
    try:
        parsed.ParseFromString(damaged)
    except Exception:  # noqa: BLE001 - whatever protobuf does not parse, ONNX Runtime does not load
        return
    assert "passwd" not in str(
        [t for t in onnx.external_data_helper._get_all_tensors(parsed) if t.external_data]
    )


def test_deep_nesting_is_refused():
    def field(number, payload):
        length = bytearray()
        rest = len(payload)
        while rest > 127:
            length.append(rest & 127 | 128)
            rest >>= 7
        return bytes([number << 3 | 2, *length, rest]) + payload

    graph = b""
    for _ in range(30):
        graph = field(1, field(5, field(6, graph)))  # a node with an attribute with a graph
    with pytest.raises(InvalidData, match="nested"):
        refuse_external_data(field(7, graph), PATH)
