"""Holds a stack of the checkout in whose folder it runs, for a benchmark that compares two: see benchmarks.checkout.

It imports what lies in the working folder, so it is given to that checkout's own interpreter as text. Each line it is
sent is answered with a line of JSON: `up`, `load RATE COUNT`, `down`. Its end takes the stack along.
"""

import json
import sys
import time

from tests.support.stack.stack import Stack


def serve() -> None:
    """Answers line by line until there are no more."""
    with Stack({"images": "local", "sink": "python", "relay": "outbox"}) as stack:
        for line in sys.stdin:
            command, *words = line.split()
            began = time.monotonic()
            if command == "up":
                stack.up()
                stack.wait_healthy()
                answer = {"prefix": stack.prefix, "seconds": time.monotonic() - began}
            elif command == "load":
                done = stack.millrace("load", "--rate", words[0], "--count", words[1], "--json")
                answer = json.loads(done.stdout)  # also when the machine was too full to take every order
            else:
                stack.destroy()
                answer = {"seconds": time.monotonic() - began}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
