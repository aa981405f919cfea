"""Runs a command that works in a store, and dies at a request: what the tests of stores run.

Arguments: the numbers of the requests at which a run is killed, one run after another, separated by commas; odd ones before the
request, even ones after it; then the command. Prints how each run ended.
"""

import os
import signal
import sys
from importlib import import_module

from proxyset.cli import run

# imported before the fork, and nothing of it is used here
USED = {"index": "proxyset.cloud.build", "train": "proxyset.jobs.training", "model": "proxyset.jobs.packing"}


def die_at(number):
    import obstore

    asked = 0

    def counted(function):
        def call(*arguments, **named):
            nonlocal asked
            asked += 1
            if asked == number and number % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return function(*arguments, **named)
            finally:  # also of an object that is not there
                if asked == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        return call

    for name in ("put", "get", "head", "list"):
        setattr(obstore, name, counted(getattr(obstore, name)))


if __name__ == "__main__":
    numbers, *command = sys.argv[1:]
    import_module(USED[command[0]])
    for number in map(int, numbers.split(",")):
        child = os.fork()
        if not child:
            die_at(number)
            sys.stdout = sys.stderr
            os._exit(run(command))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
