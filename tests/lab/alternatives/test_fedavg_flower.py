import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import proxyset
import proxyset_lab


@pytest.mark.thorough
@pytest.mark.timeout(400)
def test_flowers_engine_gives_the_weights_of_the_plain_loop(tmp_path):
    """In a process of its own: Flower's simulation starts Ray, which wants to end with it."""
    sources = [str(Path(package.__file__).parents[1]) for package in (proxyset, proxyset_lab)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(sources),
        "FLWR_HOME": str(tmp_path / "flwr"),
        "RAY_AUTH_MODE": "disabled",
    }
    code = "from proxyset_lab.cli import main; main()"
    command = [sys.executable, "-c", code, "flower", "--participants", "6", "--rounds", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=380)
    found = re.search(r"largest weight (\S+), largest difference (\S+)", done.stdout)
    assert found, done.stdout + done.stderr[-4000:]
    assert float(found[1]) > 0.1
    assert float(found[2]) < 1e-12
