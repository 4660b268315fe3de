"""What every Python suite shares: running features one by one, and asking the runner to restart the node.

A feature is a function that raises when the node answers otherwise than Apache Kafka does. Its row is printed as
`ok NAME` or `FAIL NAME: reason`; the runner (`cargo xtask compat`) reads the rows. `restart()` prints `restart` and
waits for the runner's `done`: by then the node serves again, on the same data and port.
"""

import functools
import os
import random
import sys
import threading
import time
import traceback

BOOTSTRAP = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"
RUN = os.environ.get("COMPAT_RUN") or "%08x" % random.getrandbits(32)
FEATURES = []


def feature(function):
    """Registers what sees to a feature of features.txt, by its name; they run in the order of the file."""
    FEATURES.append((function.__name__, function))
    return function


def produce_features(function):
    """Registers a function of a codec's name for each codec."""
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        FEATURES.append(("produce_" + codec.replace("none", "uncompressed"), functools.partial(function, codec)))
    return function


def name(base):
    """A topic or group name that no other run uses."""
    return "%s-%s" % (base, RUN)


def until(what, condition, seconds=60.0):
    """Waits for a condition with a bound; its value is returned."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "timed out waiting until " + what
        time.sleep(0.02)


def refused(kind, action):
    """The error of this kind that the action ends with."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError("this should have failed")


def restart():
    """Stops and starts the node; returns when it serves again."""
    print("restart", flush=True)
    answer = sys.stdin.readline().strip()
    assert answer == "done", "the runner answered %r" % answer


def restarting():
    """Restarts the node while the caller goes on; join the thread that this returns."""
    thread = threading.Thread(target=restart)
    thread.start()
    return thread


def run(call=lambda function: function()):
    failed = 0
    only = sys.argv[2:]
    for called, function in FEATURES:
        if only and called not in only:
            continue
        try:
            call(function)
            print("ok " + called, flush=True)
        except BaseException as error:  # a row for each, whatever happened
            failed += 1
            traceback.print_exc()
            print("FAIL %s: %s: %s" % (called, type(error).__name__, str(error).replace("\n", " ")), flush=True)
    sys.exit(1 if failed else 0)
