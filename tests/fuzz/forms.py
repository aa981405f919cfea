"""How the neighbour fuzzer keeps data: in memory, in files of every format, in folders; with what can be wrong in each."""

from __future__ import annotations

from tests.fuzz.in_folders import (
    bad_files,
    bad_samples,
    bad_whole_files,
    clip,
    image_folder,
    npy,
    split,
    split_npy,
    tar,
)
from tests.fuzz.in_memory import array, bad_records, frame, in_memory, listed
from tests.fuzz.in_rows import bad_cells, bad_objects, bad_rows, delimited, json_lines, parquet
from tests.fuzz.records import Form, twice

IN_FILES = {"half a pair", "a list", "not a text"}
FORMS: dict[str, Form] = {
    "array": Form(("embedding", "orthogonal"), array, person=None, labels=("mapping",), weight=120),
    "memory": Form(
        ("embedding", "orthogonal", "wordllama", "hub", "hog", "onnx", "table"), in_memory,
        lambda domain: {"id twice": twice}, labels=("label", "mapping"), weight=60, typed=True,
    ),
    "list": Form(("embedding", "wordllama", "function", "hog", "table"), listed, bad_records, weight=4),
    "frame": Form(  # pandas itself holds no half of a pair
        ("embedding", "wordllama", "function", "hog", "table"), frame, lambda domain: {"id twice": twice},
        lambda name: name != "half a pair", weight=4,
    ),
    "csv": Form(("wordllama", "table"), delimited(".csv", ","), bad_rows, lambda name: name not in IN_FILES, weight=4),
    "tsv": Form(("wordllama", "table"), delimited(".tsv", "\t"), bad_rows, lambda name: name not in IN_FILES, weight=4),
    "jsonl": Form(("wordllama", "hub"), json_lines, bad_objects, weight=4),
    "parquet": Form(
        ("embedding", "wordllama", "hog", "onnx", "table"), parquet, bad_cells,
        lambda name: name not in IN_FILES, weight=4, typed=True,
    ),
    "npy": Form(("embedding",), npy, person=None, labels=("mapping",), weight=4),
    "clip": Form(("embedding",), clip, weight=4),
    "split": Form(
        ("embedding", "wordllama", "table"), split, bad_whole_files, lambda name: name not in IN_FILES, weight=2, typed=True,
    ),
    "split-npy": Form(
        ("embedding",), split_npy, bad_whole_files, person=None, labels=(), weight=2,
    ),
    "folder": Form(("hog", "onnx"), image_folder, bad_files, person="folder", labels=("folder", "mapping"), weight=2),
    "tar": Form(("hog", "onnx", "wordllama"), tar, bad_samples, labels=("label", "mapping"), weight=2),
}  # fmt: skip
