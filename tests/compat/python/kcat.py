"""librdkafka 2.0 as Debian ships it, through kcat: what a person at a shell does in a day.

kcat has no admin calls: its topics are created by producing to them, so they have one partition each.
"""

import concurrent.futures
import json
import os
import subprocess
import tempfile
import threading
import time

from suite import BOOTSTRAP, feature, name, produce_features, restart, run, until


def kcat(*args, stdin=b"", fails=False):
    """Runs kcat to its end; its output, or what it says on standard error when it is to fail."""
    done = subprocess.run(["kcat", "-b", BOOTSTRAP, *args], input=stdin, capture_output=True, timeout=120)
    assert (done.returncode != 0) == fails, "kcat %s ended with %d: %s" % (" ".join(args), done.returncode, done.stderr.decode())
    return done.stderr.decode() if fails else done.stdout


def produce(topic, lines, *args):
    kcat("-P", "-t", topic, *args, stdin=b"".join(line + b"\n" for line in lines))


def create(topics):
    """Topics with a record each, side by side, for librdkafka waits a second for a topic that it does not know yet."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda topic: produce(topic, [b"the topic is there"]), topics))


def consume(topic, *args):
    """The records from there to the end, as kcat's JSON has them."""
    return [json.loads(line) for line in kcat("-C", "-e", "-J", "-t", topic, *args).splitlines()]


def read_all(topic, *args):
    return consume(topic, "-o", "beginning", *args)


def numbers(count):
    return [b"%d" % i for i in range(count)]


class Member:
    """A kcat in a group that runs until it is closed and tells of its assignments on standard error."""

    def __init__(self, group, topics, *args):
        settings = ["session.timeout.ms=6000", "heartbeat.interval.ms=200", "auto.offset.reset=earliest"]
        config = [arg for setting in settings for arg in ("-X", setting)]
        self.process = subprocess.Popen(["kcat", "-b", BOOTSTRAP, *config, *args, "-G", group, *topics], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.owned = set()
        self.rebalances = 0
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        for line in self.process.stderr:
            _, rebalanced, change = line.decode().partition(" rebalanced")
            if not rebalanced:
                continue
            self.rebalances += 1
            kind, _, partitions = change.rpartition(": ")
            named = {part.strip() for part in partitions.split(",")} - {""}
            if "assign" in kind:
                self.owned = self.owned | named
            else:
                self.owned = self.owned - named

    def close(self):
        self.process.terminate()
        self.process.wait(30)
        self.thread.join(30)


@feature
def describe_cluster():
    found = json.loads(kcat("-L", "-J"))
    assert len(found["brokers"]) == 1 and found["controllerid"] == found["brokers"][0]["id"], found


@feature
def error_unknown_topic():
    said = kcat("-C", "-e", "-t", name("kcat-unknown"), fails=True)
    assert "Unknown topic or partition" in said, said


@produce_features
def produce_with(codec):
    topics = {acks: name("kcat-%s-%s" % (codec, acks)) for acks in ["0", "1", "all"]}
    create(topics.values())
    for acks, topic in topics.items():
        sent = [b"k%d:" % i + (b"value %d " % i) * 20 for i in range(200)]
        produce(topic, sent, "-K", ":", "-z", codec, "-X", "acks=" + acks)
        taken = until("all was read", lambda: (found := consume(topic, "-o", "1")) and len(found) >= 200 and found)
        assert ["%s:%s" % (m["key"], m["payload"]) for m in taken] == [line.decode() for line in sent]
        assert [m["offset"] for m in taken] == list(range(1, 201))


@feature
def produce_idempotent():
    topic = name("kcat-idempotent")
    produce(topic, numbers(5000), "-X", "enable.idempotence=true", "-X", "batch.num.messages=50")
    assert [m["payload"] for m in read_all(topic)] == [str(i) for i in range(5000)]


@feature
def keys_headers_timestamps():
    topic = name("kcat-fields")
    before = int(time.time() * 1000)
    produce(topic, [b"k:v", b"k:", b":v", b"nothing"], "-K", ":", "-Z", "-H", "a=1", "-H", "a=2", "-H", "\u00fc=x")
    taken = read_all(topic)
    assert [(m["key"], m["payload"]) for m in taken] == [("k", "v"), ("k", None), (None, "v"), (None, "nothing")], taken
    assert all(m["headers"] == ["a", "1", "a", "2", "\u00fc", "x"] for m in taken), taken
    assert all(m["tstype"] == "create" and before <= m["ts"] <= time.time() * 1000 for m in taken), taken


@feature
def large_records():
    topic = name("kcat-large")
    with tempfile.TemporaryDirectory() as place:
        fits, large = os.path.join(place, "fits"), os.path.join(place, "large")
        for path, size in [(fits, 900_000), (large, 2_000_000)]:
            with open(path, "wb") as file:
                file.write(b"x" * size)
        kcat("-P", "-t", topic, "-X", "message.max.bytes=10000000", fits)
        said = kcat("-P", "-t", topic, "-X", "message.max.bytes=10000000", large, fails=True)
        assert "Message size too large" in said, said
    assert [len(m["payload"]) for m in read_all(topic)] == [900_000]


@feature
def auto_created_topics():
    topic = name("kcat-auto")
    produce(topic, [b"first"])
    found = json.loads(kcat("-L", "-J", "-t", topic))["topics"][0]
    assert len(found["partitions"]) == 1, found
    assert [m["payload"] for m in read_all(topic)] == ["first"]


@feature
def consume_from_beginning():
    topic = name("kcat-beginning")
    produce(topic, numbers(100))
    assert [m["offset"] for m in read_all(topic)] == list(range(100))
    assert [m["offset"] for m in consume(topic, "-o", "-7")] == list(range(93, 100))


@feature
def consume_from_end():
    topic = name("kcat-end")
    produce(topic, numbers(10))
    tail = subprocess.Popen(["kcat", "-b", BOOTSTRAP, "-C", "-t", topic, "-o", "end", "-c", "5", "-f", "%o\n"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for line in tail.stderr:
        if b"Reached end of topic" in line:
            break
    produce(topic, numbers(5))
    assert tail.communicate(timeout=60)[0].split() == [b"10", b"11", b"12", b"13", b"14"]


@feature
def consume_from_timestamp():
    topic = name("kcat-moment")
    for i in range(5):
        produce(topic, [b"%d" % i])
    sent = [m["ts"] for m in read_all(topic)]
    assert [m["offset"] for m in consume(topic, "-o", "s@%d" % sent[2])] == list(range(sent.index(sent[2]), 5))


@feature
def list_offsets():
    topic = name("kcat-offsets")
    produce(topic, numbers(10))

    def at(moment):
        return int(kcat("-Q", "-t", "%s:0:%s" % (topic, moment)).split()[-1])

    assert (at(-2), at(-1)) == (0, 10)
    assert at(read_all(topic)[0]["ts"]) == 0
    assert at(int(time.time() * 1000) + 3_600_000) in (-1, 10)


@feature
def seek():
    topic = name("kcat-jumps")
    produce(topic, numbers(100))
    for offset in [50, 5, 99]:
        assert kcat("-C", "-t", topic, "-o", str(offset), "-c", "1", "-f", "%o") == b"%d" % offset


@feature
def regex_subscription():
    base = name("kcat-pattern")
    create([base + ".1", base + ".2", "not-" + base])
    settings = ["-X", "auto.offset.reset=earliest", "-X", "topic.metadata.refresh.interval.ms=300"]
    client = subprocess.Popen(["kcat", "-b", BOOTSTRAP, *settings, "-u", "-q", "-f", "%t\n", "-c", "3", "-G", base, "^" + base + "[.].$"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    seen = {client.stdout.readline() for _ in range(2)}
    produce(base + ".3", [b"x"])
    seen.add(client.communicate(timeout=60)[0])
    assert seen == {("%s.%d\n" % (base, i)).encode() for i in (1, 2, 3)}, seen


def rebalance(base, strategy):
    group, topics = name(base), [name("%s-%d" % (base, i)) for i in range(6)]
    create(topics)
    strategy = ["-X", "partition.assignment.strategy=" + strategy]
    first = Member(group, topics, *strategy)
    until("the first has all", lambda: len(first.owned) == 6)
    second = Member(group, topics, *strategy)
    until("they share", lambda: len(first.owned) == 3 and len(second.owned) == 3)
    assert not first.owned & second.owned
    second.close()
    until("the first has all again", lambda: len(first.owned) == 6)
    first.close()


@feature
def group_round_robin():
    rebalance("kcat-round-robin", "roundrobin")


@feature
def group_cooperative():
    rebalance("kcat-cooperative", "cooperative-sticky")


@feature
def group_static():
    group, topics = name("kcat-static"), [name("kcat-static-%d" % i) for i in range(6)]
    create(topics)
    config = ["-X", "partition.assignment.strategy=roundrobin", "-X", "session.timeout.ms=30000"]
    watching = Member(group, topics, *config, "-X", "group.instance.id=watching")
    until("the first has all", lambda: len(watching.owned) == 6)

    def coming():
        client = Member(group, topics, *config, "-X", "group.instance.id=coming")
        until("they share", lambda: len(watching.owned) == 3 and len(client.owned) == 3)
        owned = client.owned
        client.close()
        return owned

    owned, rebalances = coming(), watching.rebalances
    assert coming() == owned and watching.rebalances == rebalances, "a static member came back with a rebalance"
    watching.close()


@feature
def commit_and_restart():
    topic = name("kcat-resume")
    produce(topic, numbers(100))

    def take(count):
        return kcat("-X", "auto.offset.reset=earliest", "-f", "%o\n", "-c", str(count), "-G", topic, topic).split()

    assert take(60) == numbers(60)
    restart()
    assert take(40) == numbers(100)[60:]
    produce(topic, [b"after"])
    assert read_all(topic)[-1]["payload"] == "after"


if __name__ == "__main__":
    run()
