"""aiokafka against a node: what an application does in a day."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import OffsetAndMetadata

from suite import BOOTSTRAP, feature, name, produce_features, restart, restarting, run

loop = asyncio.new_event_loop()
admin = None

UNKNOWN_TOPIC, TOPIC_EXISTS, INVALID_CONFIG = 3, 36, 40


async def until(what, condition, seconds=60.0):
    """Waits for a condition (a coroutine function) with a bound; its value is returned."""
    deadline = time.monotonic() + seconds
    while not (value := await condition()):
        assert time.monotonic() < deadline, "timed out waiting until " + what
        await asyncio.sleep(0.02)
    return value


async def connect():
    global admin
    if admin is not None:
        await admin.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()


async def try_create(topic, partitions=1, configs=None):
    answer = await admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1, topic_configs=configs or {})])
    return answer.topic_errors[0][1]


async def create(topic, partitions=1, configs=None):
    assert await try_create(topic, partitions, configs) == 0

    async def visible():
        return await partitions_of(topic) == partitions

    await until(topic + " is visible", visible)


async def partitions_of(topic):
    found = (await admin.describe_topics([topic]))[0]
    return 0 if found["error_code"] else len(found["partitions"])


async def produce(topic, records, **config):
    """Sends (key, value, headers) rows to partition 0; returns the offsets in order."""
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, max_request_size=20_000_000, **config) as producer:
        futures = [await producer.send(topic, key=key, value=value, headers=headers or [], partition=0) for key, value, headers in records]
        await producer.flush()
        done = [await future for future in futures]
    return [sent and sent.offset for sent in done]


def values(count):
    return [(None, b"%d" % i, None) for i in range(count)]


def consumer(*topics, group=None, **config):
    config = {"heartbeat_interval_ms": 200, "session_timeout_ms": 6000, **config}
    return AIOKafkaConsumer(*topics, bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, max_partition_fetch_bytes=20_000_000, **config)


async def take(client, count):
    taken = []

    async def more():
        for batch in (await client.getmany(timeout_ms=200, max_records=count - len(taken))).values():
            taken.extend(batch)
        return len(taken) >= count

    await until("%d records are there" % count, more)
    return taken


async def assigned(topic):
    client = consumer()
    await client.start()
    client.assign([TopicPartition(topic, 0)])
    return client


async def read_all(topic, count):
    client = await assigned(topic)
    await client.seek_to_beginning()
    taken = await take(client, count)
    assert not await client.getmany(timeout_ms=200), "more records than were sent"
    await client.stop()
    return taken


@feature
async def describe_cluster():
    await connect()
    found = await admin.describe_cluster()
    assert len(found["brokers"]) == 1 and found["cluster_id"], found
    assert found["controller_id"] == found["brokers"][0]["node_id"], found


@feature
async def create_topics():
    topic = name("aio-created")
    await create(topic, 3, {"retention.ms": "123456"})
    assert topic in await admin.list_topics()


@feature
async def create_partitions():
    topic = name("aio-grown")
    await create(topic)
    await admin.create_partitions({topic: NewPartitions(5)})

    async def visible():
        return await partitions_of(topic) == 5

    await until("five partitions are visible", visible)


@feature
async def delete_topics():
    topic = name("aio-deleted")
    await create(topic)
    await admin.delete_topics([topic])

    async def gone():
        return topic not in await admin.list_topics()

    await until("the topic is gone", gone)


async def configs(topic):
    """The topic's configs: the value by name, and the source."""
    found = (await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], include_synonyms=True))[0]
    return {entry[0]: (entry[1], entry[3]) for entry in found.resources[0][4]}


@feature
async def describe_configs():
    topic = name("aio-described")
    await create(topic, 1, {"retention.ms": "123456"})
    found = await configs(topic)
    assert found["retention.ms"] == ("123456", 1), found["retention.ms"]
    assert found["segment.bytes"] == ("1073741824", 5), found["segment.bytes"]


@feature
async def alter_configs():
    topic = name("aio-altered")
    await create(topic)
    await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.bytes": "1000000"})])

    async def changed():
        return (await configs(topic))["retention.bytes"][0] == "1000000"

    await until("the config is changed", changed)


@feature
async def error_unknown_topic():
    topic = name("aio-unknown")
    assert (await admin.describe_topics([topic]))[0]["error_code"] == UNKNOWN_TOPIC  # and it is created, for aiokafka asks so


@feature
async def error_existing_topic():
    topic = name("aio-existing")
    await create(topic)
    assert await try_create(topic) == TOPIC_EXISTS


@feature
async def error_bad_config():
    assert await try_create(name("aio-bad"), 1, {"no.such.config": "1"}) == INVALID_CONFIG
    assert await try_create(name("aio-bad"), 1, {"retention.ms": "soon"}) == INVALID_CONFIG


@produce_features
async def produce_with(codec):
    for acks in [0, 1, "all"]:
        topic = name("aio-%s-%s" % (codec, acks))
        await create(topic)
        sent = [(b"k%d" % i, (b"value %d " % i) * 20, [("n", b"%d" % i)]) for i in range(200)]
        offsets = await produce(topic, sent, acks=acks, compression_type=None if codec == "none" else codec, linger_ms=20, enable_idempotence=acks == "all")
        if acks != 0:
            assert offsets == list(range(200)), offsets[:3]
        taken = await read_all(topic, 200)
        assert [(m.key, m.value, list(m.headers), m.offset) for m in taken] == [(k, v, h, i) for i, (k, v, h) in enumerate(sent)]


@feature
async def produce_idempotent():
    topic = name("aio-idempotent")
    await create(topic)
    assert await produce(topic, values(5000), enable_idempotence=True, max_batch_size=500) == list(range(5000))
    assert [m.value for m in await read_all(topic, 5000)] == [b"%d" % i for i in range(5000)]


@feature
async def keys_headers_timestamps():
    topic = name("aio-fields")
    await create(topic, 1, {"retention.ms": "-1"})  # the records are old
    headers = (("a", b"1"), ("a", b"2"), ("empty", b""), ("\u00fc", b"\x00\xff"))
    sent = [(b"k", None, ()), (None, b"v", headers), (b"", b"", headers)]
    times = [1_700_000_003_000, 1_700_000_001_000, 1_700_000_002_000]
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP) as producer:
        for (key, value, headers), at in zip(sent, times):
            await producer.send(topic, key=key, value=value, headers=list(headers), partition=0, timestamp_ms=at)
        await producer.flush()
    taken = await read_all(topic, 3)
    assert [(m.key, m.value, tuple(m.headers)) for m in taken] == sent
    assert [m.timestamp for m in taken] == times


@feature
async def large_records():
    topic, small = name("aio-large"), name("aio-small")
    await create(topic, 1, {"max.message.bytes": "16000000"})
    value = b"x" * 8_000_000
    await produce(topic, [(None, value, None)] * 2)
    assert [m.value for m in await read_all(topic, 2)] == [value, value]
    await create(small, 1, {"max.message.bytes": "1000"})
    try:
        await produce(small, [(None, b"x" * 5000, None)])
        raise AssertionError("a record above max.message.bytes was taken")
    except MessageSizeTooLargeError:
        pass


@feature
async def auto_created_topics():
    topic = name("aio-auto")
    assert await produce(topic, [(None, b"first", None)]) == [0]
    assert [m.value for m in await read_all(topic, 1)] == [b"first"]


@feature
async def consume_from_beginning():
    topic = name("aio-beginning")
    await create(topic)
    await produce(topic, values(100))
    assert [m.offset for m in await read_all(topic, 100)] == list(range(100))


@feature
async def consume_from_end():
    topic = name("aio-end")
    await create(topic)
    await produce(topic, values(10))
    client = await assigned(topic)
    await client.seek_to_end()
    assert await client.position(TopicPartition(topic, 0)) == 10
    await produce(topic, values(5))
    assert [m.offset for m in await take(client, 5)] == list(range(10, 15))
    await client.stop()


async def times(topic):
    """A topic of ten records a second apart."""
    await create(topic, 1, {"retention.ms": "-1"})  # the records are old
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP) as producer:
        for i in range(10):
            await producer.send(topic, value=b"%d" % i, partition=0, timestamp_ms=1_700_000_000_000 + i * 1000)
        await producer.flush()


@feature
async def consume_from_timestamp():
    topic = name("aio-moment")
    await times(topic)
    client, partition = await assigned(topic), TopicPartition(topic, 0)
    client.seek(partition, (await client.offsets_for_times({partition: 1_700_000_004_500}))[partition].offset)
    assert [m.offset for m in await take(client, 5)] == list(range(5, 10))
    await client.stop()


@feature
async def seek():
    topic, partition = name("aio-jumps"), TopicPartition(name("aio-jumps"), 0)
    await create(topic)
    await produce(topic, values(100))
    client = await assigned(topic)
    for offset in [20, 50, 5, 99]:
        client.seek(partition, offset)
        assert (await take(client, 1))[0].offset == offset
    assert await client.position(partition) == 100
    await client.stop()


@feature
async def list_offsets():
    topic = name("aio-offsets")
    await times(topic)
    client, partition = await assigned(topic), TopicPartition(topic, 0)
    assert (await client.offsets_for_times({partition: 1_700_000_004_500}))[partition].offset == 5
    assert (await client.offsets_for_times({partition: 1_700_000_009_001}))[partition] is None
    assert await client.beginning_offsets([partition]) == {partition: 0} and await client.end_offsets([partition]) == {partition: 10}
    await client.stop()


@feature
async def delete_records():
    topic = name("aio-shortened")
    await create(topic)
    await produce(topic, values(100))
    assert (await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=40)}))[TopicPartition(topic, 0)] == 40
    assert [m.offset for m in await read_all(topic, 60)] == list(range(40, 100))


async def joined(topic, group, partitions, **config):
    client = consumer(topic, group=group, **config)
    await client.start()

    async def all_is_assigned():
        return len(client.assignment()) == partitions

    await until("all is assigned", all_is_assigned)
    return client


@feature
async def regex_subscription():
    base = name("aio-pattern")
    for topic in [base + ".1", base + ".2", "not-" + base]:
        await create(topic)
        await produce(topic, values(1))
    client = consumer(group=base, metadata_max_age_ms=300)
    client.subscribe(pattern="^" + base + "[.].$")
    await client.start()
    seen = set()

    async def sees(count):  # what is not committed is read again after a rebalance
        seen.update(partition.topic for partition in await client.getmany(timeout_ms=200))
        return len(seen) == count

    await until("two topics are read", lambda: sees(2))
    await create(base + ".3")
    await produce(base + ".3", values(1))
    await until("the new one is read", lambda: sees(3))
    await client.stop()
    assert seen == {base + ".1", base + ".2", base + ".3"}, seen


async def rebalance(base, assignor):
    topic = name(base)
    await create(topic, 6)
    config = {"partition_assignment_strategy": (assignor,)}
    first = await joined(topic, topic, 6, **config)
    second = await joined(topic, topic, 3, **config)

    async def shared():
        return len(first.assignment()) == 3

    await until("they share", shared)
    assert not first.assignment() & second.assignment()
    await second.stop()

    async def alone():
        return len(first.assignment()) == 6

    await until("the first has all again", alone)
    await first.stop()


@feature
async def group_range():
    await rebalance("aio-range", RangePartitionAssignor)


@feature
async def group_round_robin():
    await rebalance("aio-round-robin", RoundRobinPartitionAssignor)


@feature
async def group_sticky():
    await rebalance("aio-sticky", StickyPartitionAssignor)


class Counting(ConsumerRebalanceListener):
    """Counts the rebalances of a member."""

    def __init__(self):
        self.assignments = 0

    async def on_partitions_revoked(self, revoked):
        pass

    async def on_partitions_assigned(self, assigned):
        self.assignments += 1


@feature
async def group_static():
    topic = name("aio-static")
    await create(topic, 6)
    config = {"session_timeout_ms": 30000, "partition_assignment_strategy": (RangePartitionAssignor,)}
    counting = Counting()
    watching = consumer(group=topic, group_instance_id="watching", **config)
    watching.subscribe([topic], listener=counting)
    await watching.start()

    async def first():
        return counting.assignments == 1

    await until("the first has all", first)
    coming = await joined(topic, topic, 3, group_instance_id="coming", **config)

    async def second():
        return counting.assignments == 2

    await until("they share", second)
    owned = coming.assignment()
    await coming.stop()
    again = await joined(topic, topic, 3, group_instance_id="coming", **config)
    assert again.assignment() == owned and counting.assignments == 2, "a static member came back with a rebalance"
    await again.stop()
    await watching.stop()


@feature
async def commit_and_restart():
    topic, partition = name("aio-resume"), TopicPartition(name("aio-resume"), 0)
    await create(topic)
    await produce(topic, values(100))
    client = await joined(topic, topic, 1)
    assert len(await take(client, 60)) == 60
    await client.commit({partition: OffsetAndMetadata(60, "noted")})
    await client.stop()
    restart()
    await connect()
    client = await joined(topic, topic, 1)
    assert await client.committed(partition) == 60
    assert [m.offset for m in await take(client, 40)] == list(range(60, 100))
    await client.stop()
    await produce(topic, [(None, b"after", None)])
    assert (await read_all(topic, 101))[-1].value == b"after"


@feature
async def restart_in_the_middle():
    topic = name("aio-middle")
    await create(topic)
    client = consumer(topic, group=topic)
    await client.start()
    async with AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True, request_timeout_ms=120_000) as producer:
        sent = [await producer.send(topic, value=b"%d" % i, partition=0) for i in range(100)]
        taken = await take(client, 50)
        thread = restarting()
        for i in range(100, 400):
            sent.append(await producer.send(topic, value=b"%d" % i, partition=0))
            await asyncio.sleep(0.002)
        await loop.run_in_executor(None, thread.join)
        for future in sent:
            await future
    taken += await take(client, 400 - len(taken))
    assert [m.value for m in taken] == [b"%d" % i for i in range(400)]
    await client.stop()
    await connect()


@feature
async def list_groups():
    topic = name("aio-listed")
    await create(topic)
    client = await joined(topic, topic, 1)
    assert (topic, "consumer") in [tuple(group[:2]) for group in await admin.list_consumer_groups()]
    await client.stop()


@feature
async def describe_groups():
    topic = name("aio-members")
    await create(topic, 2)
    client = await joined(topic, topic, 2, client_id="describer")
    error, group, state, kind, _, members = (await admin.describe_consumer_groups([topic]))[0].groups[0][:6]
    assert (error, group, state, kind, len(members)) == (0, topic, "Stable", "consumer", 1)
    assert "describer" in members[0] and "/127.0.0.1" in members[0], members[0]
    await client.stop()


if __name__ == "__main__":
    run(lambda function: loop.run_until_complete(function()))
