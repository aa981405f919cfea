"""The command as a process: consoles of other encodings, standard streams that are full, closed or broken, and interrupts."""

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

PROXYSET = [sys.executable, "-m", "proxyset"]
ROOT = Path(__file__).parents[1]


def environment(**changes):
    kept = ("PATH", "HOME", "XDG_STATE_HOME", "PYTHONPATH", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | changes


def proxyset(*arguments, shell="", **changes):
    """Run one command in a process of its own, with what a shell would add, such as ">&-"."""
    line = ["sh", "-c", f'exec "$@" {shell}', "sh", *PROXYSET, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, env=environment(**changes), check=False)


@pytest.fixture
def index(tmp_path, command):
    np.save(tmp_path / "pool.npy", np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32))
    build = ("index", "build", tmp_path / "pool.npy", "--out", tmp_path / "größe→😀", "--clusters", 3)
    assert command(*build)[0] == 0
    return tmp_path / "größe→😀"


CONSOLES = [
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "cp437"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
]


@pytest.mark.parametrize("console", CONSOLES)
def test_what_is_printed_fails_on_no_console_and_json_stays_that_json(index, console):
    words = proxyset("index", "info", index, **console)
    assert (words.returncode, words.stderr) == (0, b"")
    line = proxyset("index", "info", index, "--json", **console)
    assert line.returncode == 0, line.stderr
    assert json.loads(line.stdout.decode(console.get("PYTHONIOENCODING", "utf-8").partition(":")[0]))[
        "index"
    ] == str(index)


@pytest.mark.parametrize("console", CONSOLES)
def test_an_answer_is_given_on_every_console(index, console, command):
    place = index.parent
    assert command("probe", index, "--out", place / "probe")[0] == 0
    terms = (
        "--data",
        place / "pool.npy",
        "--epsilon",
        1,
        "--ledger",
        place / "ledger",
        "--out",
        place / "r→",
    )
    given = proxyset("answer", place / "probe", *terms, **console)
    assert given.returncode == 0 and b"bug" not in given.stderr, given.stderr
    assert (place / "r→").is_file()


def test_files_are_utf8_and_named_in_utf8_whatever_the_locale(tmp_path):
    (tmp_path / "texts.jsonl").write_text(
        '{"id": "ü→😀", "text": "größe"}\n{"id": "b", "text": "b"}\n', encoding="utf-8"
    )
    made = {}
    for name, console in (("c", CONSOLES[-1]), ("utf8", {"LC_ALL": "C.UTF-8"})):
        out = tmp_path / f"{name}→"
        build = ("index", "build", tmp_path / "texts.jsonl", "--encoder", "wordllama", "--clusters", 2)
        done = proxyset(*build, "--out", out / "index", **console)
        assert done.returncode == 0, done.stderr
        done = proxyset(
            "select", out / "index", "--strategy", "random", "--budget", 2, "--out", out / "proxy", **console
        )
        assert done.returncode == 0, done.stderr
        done = proxyset("export", out / "proxy", "--to", "csv", "--out", out / "csv", **console)
        assert done.returncode == 0, done.stderr
        made[name] = {
            path.relative_to(out): path.read_bytes()
            for path in out.rglob("*")
            if path.suffix in (".csv", ".md", ".jsonl", ".parquet") or path.name == "csv"
        }
    assert made["c"] == made["utf8"] and any("ü→😀".encode() in data for data in made["c"].values())


def test_every_text_file_is_opened_in_an_encoding_that_is_said():
    """`open`, `read_text`, `write_text` and `text=True` without one follow the locale."""
    unsaid = []
    for path in (*(ROOT / "src").rglob("*.py"), *(ROOT / "lab" / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            said = {keyword.arg: keyword.value for keyword in node.keywords}
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            mode = [each.value for each in (*node.args, said.get("mode")) if isinstance(each, ast.Constant)]
            text = name in ("read_text", "write_text") or (
                name in ("open", "fdopen")
                and any(each in ("r", "w", "a", "x", "rt", "wt", "r+", "w+") for each in mode)
            )
            if getattr(getattr(node.func, "value", None), "id", "") == "tarfile":
                continue
            if (text or ("text" in said and name in ("run", "Popen"))) and "encoding" not in said:
                unsaid.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not unsaid


@pytest.mark.parametrize(
    ("wanted", "buffered"), [("info", {}), ("info", {"PYTHONUNBUFFERED": "1"}), ("--version", {})]
)
@pytest.mark.parametrize(
    ("shell", "words"),
    [
        (">/dev/full", "standard output: No space left on device"),
        (">&-", "standard output: Bad file descriptor"),
        ("| true", "standard output: Broken pipe"),
    ],
)
def test_output_that_goes_nowhere_is_one_line_and_status_1(index, buffered, wanted, shell, words):
    arguments = ["index", "info", index] if wanted == "info" else [wanted]
    if shell == "| true":
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*PROXYSET, *map(str, arguments)],
            stdout=writer, stderr=subprocess.PIPE, env=environment(**buffered), check=False,
        )  # fmt: skip
        os.close(writer)
    else:
        done = proxyset(*arguments, shell=shell, **buffered)
    error = done.stderr.decode()
    assert done.returncode == 1, error
    assert error.startswith(f"error: {words}") and error.count("\n") == 1, error


@pytest.mark.parametrize("shell", ["2>/dev/full", "2>&-", "0<&- 2>&-"])
def test_notes_that_go_nowhere_fail_nothing(index, shell, command):
    place = index.parent
    assert command("probe", index, "--out", place / "probe")[0] == 0
    np.save(place / "few.npy", np.array([[1, 2, 3, 4], [np.nan] * 4], np.float32))  # of which there is a note
    terms = ("--data", place / "few.npy", "--epsilon", 1, "--ledger", place / "ledger", "--out", place / "r")
    done = proxyset("answer", place / "probe", *terms, "--json", shell=shell)
    assert done.returncode == 0 and json.loads(done.stdout), done
    assert proxyset("index", "info", place, shell=shell).returncode == 1


def test_a_closed_stream_gives_its_number_to_no_file(index, command):
    place = index.parent
    assert command("probe", index, "--out", place / "probe")[0] == 0
    terms = ("--data", place / "pool.npy", "--epsilon", 1, "--ledger", place / "ledger", "--out", place / "r")
    assert proxyset("answer", place / "probe", *terms, shell="<&- >&- 2>&-").returncode == 1
    done = proxyset("ledger", "show", place / "ledger", "--json")
    assert done.returncode == 0 and (place / "r").is_file(), done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_an_interrupt_ends_in_order(tmp_path, number, status, seconds):
    os.mkfifo(tmp_path / "receipt.json")  # nobody writes to it: the command waits
    child = subprocess.Popen(
        [*PROXYSET, "ledger", "receipt", str(tmp_path / "receipt.json")],
        stderr=subprocess.PIPE,
        env=environment(),
    )
    until = time.monotonic() + 60
    while (
        not caught(child.pid, signal.SIGHUP) and time.monotonic() < until
    ):  # before that it is Python's own start
        time.sleep(0.01)
    time.sleep(seconds)
    child.send_signal(number)
    error = child.communicate(timeout=30)[1].decode()
    assert child.returncode == status, error
    assert "Traceback" not in error and error.count("\n") <= 1


def test_a_signal_in_the_midst_of_a_wait_sets_the_event():
    """The handler runs in the thread that waits, which may hold the lock of the event then."""
    code = """
import signal, sys, threading
from proxyset.console import told_to_end
with told_to_end(signal.SIGTERM) as told:
    def trace(frame, event, argument):
        if frame.f_code is threading.Condition.wait.__code__:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGTERM)
    sys.setprofile(trace)
    print(told.wait(20))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=environment(), timeout=60, check=True
    )
    assert done.stdout == b"True\n"


def caught(pid, number):
    """Whether a process has a handler of its own for a signal."""
    lines = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(lines["SigCgt"], 16) >> (number - 1) & 1)
