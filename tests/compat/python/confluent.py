"""librdkafka (confluent-kafka for Python) against a node: what an application does in a day."""

import threading

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType, AlterConfigOpType, ConfigEntry
from confluent_kafka import ConsumerGroupTopicPartitions

from suite import BOOTSTRAP, feature, name, restart, run, until

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(topic, partitions=1, config=None):
    for future in admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})]).values():
        future.result(30)
    until(topic + " is visible", lambda: topic in admin.list_topics(timeout=10).topics)


def produce(topic, records, **config):
    """Sends (key, value, headers, partition) rows; returns the delivered (partition, offset) rows in order."""
    delivered, errors = [], []

    def report(error, message):
        if error:
            errors.append(error)
        else:
            delivered.append((message.partition(), message.offset()))

    producer = Producer({"bootstrap.servers": BOOTSTRAP, "message.max.bytes": 20_000_000, **config})
    for key, value, headers, partition in records:
        producer.produce(topic, value=value, key=key, headers=headers, partition=partition, on_delivery=report)
        producer.poll(0)
    assert producer.flush(60) == 0, "not all was delivered"
    assert not errors, errors[0]
    return delivered


def consumer(group, **config):
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, "fetch.message.max.bytes": 20_000_000, **config})


def take(client, count, seconds=30.0):
    """Polls until `count` messages are there."""
    taken = []

    def more():
        for message in client.consume(min(500, count - len(taken)), 0.2):
            assert message.error() is None, message.error()
            taken.append(message)
        return len(taken) >= count

    if count:
        until("%d messages are there" % count, more, seconds)
    return taken


def read_all(topic, count, partition=0):
    client = consumer(name("assign"))
    client.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    taken = take(client, count)
    assert client.poll(0.3) is None, "more records than were sent"
    client.close()
    return taken


@feature
def create_and_describe_topics():
    topic = name("rd-created")
    create(topic, 3, {"retention.ms": "123456"})
    found = admin.list_topics(topic, timeout=10).topics[topic]
    assert found.error is None and sorted(found.partitions) == [0, 1, 2]
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin.describe_configs([resource])[resource].result(10)
    assert entries["retention.ms"].value == "123456" and entries["retention.ms"].source == 1
    assert entries["segment.bytes"].value == "1073741824" and entries["segment.bytes"].is_default
    try:
        create(topic)
        raise AssertionError("a topic was created twice")
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    until("five partitions are visible", lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 5)


@feature
def alter_configs():
    topic = name("rd-altered")
    create(topic)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[ConfigEntry("retention.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)])
    admin.incremental_alter_configs([resource])[resource].result(10)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    until("the config is changed", lambda: admin.describe_configs([resource])[resource].result(10)["retention.bytes"].value == "1000000")


@feature
def every_codec_and_acks_level():
    for codec in CODECS:
        for acks in ["0", "1", "all"]:
            topic = name("rd-%s-%s" % (codec, acks))
            create(topic)
            sent = [(b"k%d" % i, (b"value %d " % i) * 20, [("n", b"%d" % i)], 0) for i in range(200)]
            delivered = produce(topic, sent, acks=acks, **{"compression.type": codec, "linger.ms": 20})
            if acks != "0":
                assert delivered == [(0, i) for i in range(200)], delivered[:3]
            taken = read_all(topic, 200)
            assert [(m.key(), m.value(), m.headers(), m.offset()) for m in taken] == [(k, v, h, i) for i, (k, v, h, _) in enumerate(sent)]


@feature
def idempotent_producer():
    topic = name("rd-idempotent")
    create(topic)
    sent = [(None, b"%d" % i, None, 0) for i in range(5000)]
    delivered = produce(topic, sent, **{"enable.idempotence": True, "batch.num.messages": 50})
    assert delivered == [(0, i) for i in range(5000)]
    assert [m.value() for m in read_all(topic, 5000)] == [v for _, v, _, _ in sent]


@feature
def nulls_and_headers():
    topic = name("rd-nulls")
    create(topic)
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("null", None), ("\u00fc", b"\x00\xff")]
    produce(topic, [(None, None, None, 0), (b"", b"", headers, 0), (b"k", None, None, 0), (None, b"v", headers, 0)])
    taken = read_all(topic, 4)
    assert [(m.key(), m.value()) for m in taken] == [(None, None), (b"", b""), (b"k", None), (None, b"v")]
    assert [m.headers() for m in taken] == [None, headers, None, headers]


@feature
def large_records():
    topic = name("rd-large")
    create(topic, 1, {"max.message.bytes": "16000000"})
    sent = [(None, bytes([i]) * 10_000_000, None, 0) for i in range(3)]
    produce(topic, sent)
    assert [m.value() for m in read_all(topic, 3)] == [v for _, v, _, _ in sent]
    small = name("rd-small")
    create(small, 1, {"max.message.bytes": "1000"})
    try:
        produce(small, [(None, b"x" * 5000, None, 0)])
        raise AssertionError("a record above max.message.bytes was taken")
    except AssertionError as error:
        assert error.args and isinstance(error.args[0], KafkaError) and error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE, error


@feature
def auto_created_topic():
    topic = name("rd-auto")
    assert produce(topic, [(None, b"first", None, -1)]) == [(0, 0)]
    assert [m.value() for m in read_all(topic, 1)] == [b"first"]


@feature
def offsets_by_timestamp():
    topic = name("rd-times")
    create(topic)
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for i in range(10):
        producer.produce(topic, value=b"%d" % i, partition=0, timestamp=1_700_000_000_000 + i * 1000)
        producer.flush(10)
    client = consumer(name("times"))

    def at(ms):
        return client.offsets_for_times([TopicPartition(topic, 0, ms)], timeout=10)[0].offset

    assert at(1_700_000_000_000) == 0
    assert at(1_700_000_004_500) == 5
    assert at(1_700_000_009_001) == -1
    assert client.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (0, 10)
    client.close()
    spec = {TopicPartition(topic, 0): OffsetSpec.max_timestamp()}
    result = [future.result(10) for future in admin.list_offsets(spec).values()][0]
    assert (result.offset, result.timestamp) == (9, 1_700_000_009_000)


@feature
def delete_records_and_topics():
    topic = name("rd-deleted")
    create(topic)
    produce(topic, [(None, b"%d" % i, None, 0) for i in range(100)])
    for future in admin.delete_records([TopicPartition(topic, 0, 40)]).values():
        assert future.result(10).low_watermark == 40
    client = consumer(name("deleted"))
    client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert [m.offset() for m in take(client, 60)] == list(range(40, 100))
    client.close()
    admin.delete_topics([topic])[topic].result(10)
    until("the topic is gone", lambda: topic not in admin.list_topics(timeout=10).topics)


@feature
def group_members_join_and_leave():
    for strategy in ["range,roundrobin", "cooperative-sticky"]:
        topic, group = name("rd-group-" + strategy[:5]), name("rd-members-" + strategy[:5])
        create(topic, 6)
        produce(topic, [(b"%d" % i, b"%d" % i, None, i % 6) for i in range(600)])
        config = {"partition.assignment.strategy": strategy, "session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
        first, second = consumer(group, **config), consumer(group, **config)
        taken = set()
        lock = threading.Lock()

        def poll(client):
            message = client.poll(0.05)
            if message is not None and message.error() is None:
                with lock:
                    taken.add((message.partition(), message.offset()))

        first.subscribe([topic])
        until("the first has all", lambda: (poll(first), len(first.assignment()) == 6)[1])
        second.subscribe([topic])
        until("they share", lambda: (poll(first), poll(second), len(first.assignment()) == 3 and len(second.assignment()) == 3)[2], 60)
        assert not {(t.partition) for t in first.assignment()} & {(t.partition) for t in second.assignment()}
        second.close()
        until("the first has all again", lambda: (poll(first), len(first.assignment()) == 6)[1], 60)
        until("all was read (%d of 600)" % len(taken), lambda: (poll(first), len(taken) == 600)[1], 60)
        first.close()


@feature
def commit_restart_resume():
    topic, group = name("rd-resume"), name("rd-resume")
    create(topic, 2)
    produce(topic, [(None, b"%d" % i, None, i % 2) for i in range(100)])
    client = consumer(group)
    client.subscribe([topic])
    taken = take(client, 60)
    client.commit(asynchronous=False)
    seen = {(m.partition(), m.offset()) for m in taken}
    position = {t.partition: t.offset for t in client.committed([TopicPartition(topic, p) for p in (0, 1)], timeout=10)}
    client.close()
    restart()
    client = consumer(group)

    def committed():
        try:
            return {t.partition: t.offset for t in client.committed([TopicPartition(topic, p) for p in (0, 1)], timeout=10)}
        except KafkaException as error:  # librdkafka hands these two to the application while the coordinator loads
            assert error.args[0].code() in (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS), error
            return None

    again = until("the coordinator answers", committed)
    assert again == position, (again, position)
    client.subscribe([topic])
    rest = {(m.partition(), m.offset()) for m in take(client, 40)}
    client.close()
    assert not rest & seen and rest | seen == {(p, o) for p in (0, 1) for o in range(50)}
    produce(topic, [(None, b"after", None, 0)])
    assert read_all(topic, 51)[-1].value() == b"after"


@feature
def describe_list_and_delete_groups():
    topic, group = name("rd-groups"), name("rd-groups")
    create(topic)
    produce(topic, [(None, b"x", None, 0)] * 10)
    client = consumer(group)
    client.subscribe([topic])
    take(client, 10)
    client.commit(asynchronous=False)
    described = admin.describe_consumer_groups([group])[group].result(10)
    assert described.state.name == "STABLE" and len(described.members) == 1
    assert group in [g.group_id for g in admin.list_consumer_groups().result(10).valid]
    try:
        admin.delete_consumer_groups([group])[group].result(10)
        raise AssertionError("a group with members was deleted")
    except KafkaException as error:
        assert error.args[0].code() == KafkaError.NON_EMPTY_GROUP
    client.close()
    offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(10)
    assert [(t.topic, t.partition, t.offset) for t in offsets.topic_partitions] == [(topic, 0, 10)]
    admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 3)])])[group].result(10)
    client = consumer(group)
    client.subscribe([topic])
    assert [m.offset() for m in take(client, 7)] == list(range(3, 10))
    client.close()
    admin.delete_consumer_groups([group])[group].result(10)
    assert group not in [g.group_id for g in admin.list_consumer_groups().result(10).valid]


if __name__ == "__main__":
    run()
