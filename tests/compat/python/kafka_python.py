"""kafka-python against a node: what an application does in a day."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError

from suite import BOOTSTRAP, feature, name, restart, run, until

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def create(topic, partitions=1, configs=None):
    admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1, topic_configs=configs or {})])


def produce(topic, records, **config):
    """Sends (key, value, headers) rows to partition 0; returns the offsets in order."""
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, max_request_size=20_000_000, **config)
    futures = [producer.send(topic, key=key, value=value, headers=headers or [], partition=0) for key, value, headers in records]
    producer.flush(60)
    offsets = [future.get(30).offset for future in futures]
    producer.close()
    return offsets


def consumer(group=None, **config):
    return KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, max_partition_fetch_bytes=20_000_000, **config)


def take(client, count, seconds=30.0):
    taken = []

    def more():
        for batch in client.poll(timeout_ms=200).values():
            taken.extend(batch)
        return len(taken) >= count

    until("%d records are there" % count, more, seconds)
    return taken


def read_all(topic, count):
    client = consumer()
    client.assign([TopicPartition(topic, 0)])
    client.seek_to_beginning()
    taken = take(client, count)
    assert len(taken) == count and not client.poll(timeout_ms=300), "more records than were sent"
    client.close()
    return taken


@feature
def create_and_describe_topics():
    topic = name("kp-created")
    create(topic, 3)
    until("the topic is listed", lambda: topic in admin.list_topics())
    client = consumer()
    until("three partitions are visible", lambda: client.partitions_for_topic(topic) == {0, 1, 2})
    client.close()
    try:
        create(topic)
        raise AssertionError("a topic was created twice")
    except TopicAlreadyExistsError:
        pass


@feature
def every_codec_and_acks_level():
    for codec in CODECS:
        for acks in [0, 1, "all"]:
            topic = name("kp-%s-%s" % (codec, acks))
            create(topic)
            sent = [(b"k%d" % i, (b"value %d " % i) * 20, [("n", b"%d" % i)]) for i in range(100)]
            offsets = produce(topic, sent, acks=acks, compression_type=codec, linger_ms=20, enable_idempotence=acks == "all")
            if acks != 0:
                assert offsets == list(range(100)), offsets[:3]
            taken = read_all(topic, 100)
            assert [(m.key, m.value, list(m.headers), m.offset) for m in taken] == [(k, v, h, i) for i, (k, v, h) in enumerate(sent)]


@feature
def nulls_and_headers():
    topic = name("kp-nulls")
    create(topic)
    headers = [("a", b"1"), ("a", b"2"), ("empty", b"")]
    produce(topic, [(b"k", None, None), (None, b"v", headers), (b"", b"", headers)])
    taken = read_all(topic, 3)
    assert [(m.key, m.value, list(m.headers)) for m in taken] == [(b"k", None, []), (None, b"v", headers), (b"", b"", headers)]


@feature
def large_records():
    topic, small = name("kp-large"), name("kp-small")
    create(topic, 1, {"max.message.bytes": "16000000"})
    value = b"x" * 8_000_000
    produce(topic, [(None, value, None)] * 2)
    assert [m.value for m in read_all(topic, 2)] == [value, value]
    create(small, 1, {"max.message.bytes": "1000"})
    try:
        produce(small, [(None, b"x" * 5000, None)])
        raise AssertionError("a record above max.message.bytes was taken")
    except MessageSizeTooLargeError:
        pass


@feature
def offsets_by_timestamp():
    topic = name("kp-times")
    create(topic)
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for i in range(10):
        producer.send(topic, value=b"%d" % i, partition=0, timestamp_ms=1_700_000_000_000 + i * 1000).get(10)
    producer.close()
    client, partition = consumer(), TopicPartition(topic, 0)
    assert client.offsets_for_times({partition: 1_700_000_004_500})[partition].offset == 5
    assert client.offsets_for_times({partition: 1_700_000_009_001})[partition] is None
    assert client.beginning_offsets([partition]) == {partition: 0} and client.end_offsets([partition]) == {partition: 10}
    client.close()


@feature
def delete_records_and_topics():
    topic = name("kp-deleted")
    create(topic)
    produce(topic, [(None, b"%d" % i, None) for i in range(100)])
    admin.delete_records({TopicPartition(topic, 0): 40})
    assert [m.offset for m in read_all(topic, 60)] == list(range(40, 100))
    admin.delete_topics([topic])
    until("the topic is gone", lambda: topic not in admin.list_topics())


@feature
def group_members_join_and_leave():
    topic, group = name("kp-group"), name("kp-members")
    create(topic, 6)
    config = {"heartbeat_interval_ms": 200, "session_timeout_ms": 6000}
    first, second = consumer(group, **config), consumer(group, **config)
    first.subscribe([topic])
    until("the first has all", lambda: (first.poll(timeout_ms=300), len(first.assignment()) == 6)[1], 60)
    second.subscribe([topic])
    until("they share", lambda: (first.poll(timeout_ms=300), second.poll(timeout_ms=300), len(first.assignment()) == 3 and len(second.assignment()) == 3)[2], 60)
    assert not first.assignment() & second.assignment()
    second.close()
    until("the first has all again", lambda: (first.poll(timeout_ms=300), len(first.assignment()) == 6)[1], 60)
    first.close()


@feature
def commit_restart_resume():
    topic, group = name("kp-resume"), name("kp-resume")
    create(topic)
    partition = TopicPartition(topic, 0)
    produce(topic, [(None, b"%d" % i, None) for i in range(100)])
    client = consumer(group, max_poll_records=10)
    client.subscribe([topic])
    taken = take(client, 60)
    client.commit({partition: OffsetAndMetadata(len(taken), "noted", -1)})
    client.close()
    restart()
    client = consumer(group)
    assert client.committed(partition) == len(taken)
    client.subscribe([topic])
    assert [m.offset for m in take(client, 100 - len(taken))] == list(range(len(taken), 100))
    client.close()


if __name__ == "__main__":
    run()
