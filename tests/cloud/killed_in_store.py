"""Builds an index in a store and dies at a request: what tests/cloud/test_store.py runs.

Arguments: pool, place, and the numbers of the requests at which a build is killed, one build after another; odd ones before the
request, even ones after it. Prints how each ended.
"""

import os
import signal
import sys

from proxyset.cloud.build import build_index  # before the fork, and nothing of it is used here


def die_at(number):
    import obstore

    asked = 0

    def counted(function):
        def call(*arguments, **named):
            nonlocal asked
            asked += 1
            if asked == number and number % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            found = function(*arguments, **named)
            if asked == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return found

        return call

    for name in ("put", "get", "head", "list"):
        setattr(obstore, name, counted(getattr(obstore, name)))


if __name__ == "__main__":
    pool, place, *numbers = sys.argv[1:]
    for number in map(int, numbers):
        child = os.fork()
        if not child:
            die_at(number)
            build_index(pool, place, clusters=6)
            os._exit(0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
