"""A script whose tasks last for ever, and one that forgets its main guard: what tests/cloud/test_executor.py runs."""

import os
import sys
import time
from pathlib import Path

from proxyset.cloud.executor import LocalExecutor


def linger(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


if __name__ == "__main__":
    list(LocalExecutor(2).run(linger, [sys.argv[1]] * 2))
