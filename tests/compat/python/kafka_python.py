"""kafka-python against a node: what an application does in a day."""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, NewTopic
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import InvalidConfigurationError, KafkaError, MessageSizeTooLargeError, TopicAlreadyExistsError, UnknownTopicOrPartitionError

from suite import BOOTSTRAP, feature, name, produce_features, refused, restart, restarting, run, until

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def reconnect():
    """For after a restart: the old admin client would wait long before it connects again."""
    global admin
    admin.close()
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def create(topic, partitions=1, configs=None):
    admin.create_topics([NewTopic(name=topic, num_partitions=partitions, replication_factor=1, topic_configs=configs or {})])
    until(topic + " is visible", lambda: partitions_of(topic) == partitions)


def partitions_of(topic):
    found = [t for t in admin.describe_topics([topic]) if not t["error_code"]]
    return len(found[0]["partitions"]) if found else 0


def produce(topic, records, **config):
    """Sends (key, value, headers) rows to partition 0; returns the offsets in order."""
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, max_request_size=20_000_000, **config)
    futures = [producer.send(topic, key=key, value=value, headers=headers or [], partition=0) for key, value, headers in records]
    producer.flush(60)
    offsets = [future.get(30).offset for future in futures]
    producer.close()
    return offsets


def values(count):
    return [(None, b"%d" % i, None) for i in range(count)]


def consumer(group=None, **config):
    config = {"auto_offset_reset": "earliest", "heartbeat_interval_ms": 200, **config}
    return KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=group, enable_auto_commit=False, max_partition_fetch_bytes=20_000_000, **config)


def take(client, count):
    taken = []

    def more():
        for batch in client.poll(timeout_ms=200).values():
            taken.extend(batch)
        return len(taken) >= count

    until("%d records are there" % count, more)
    return taken


def assigned(topic):
    client = consumer()
    client.assign([TopicPartition(topic, 0)])
    return client


def read_all(topic, count):
    client = assigned(topic)
    client.seek_to_beginning()
    taken = take(client, count)
    assert len(taken) == count and not client.poll(timeout_ms=300), "more records than were sent"
    client.close()
    return taken


@feature
def describe_cluster():
    found = admin.describe_cluster()
    assert len(found["brokers"]) == 1 and found["cluster_id"], found
    assert found["controller_id"] == found["brokers"][0]["broker_id"], found


@feature
def create_topics():
    topic = name("kp-created")
    create(topic, 3, {"retention.ms": "123456"})
    assert topic in admin.list_topics()


@feature
def create_partitions():
    topic = name("kp-grown")
    create(topic)
    admin.create_partitions({topic: 5})
    until("five partitions are visible", lambda: partitions_of(topic) == 5)


@feature
def delete_topics():
    topic = name("kp-deleted")
    create(topic)
    admin.delete_topics([topic])
    until("the topic is gone", lambda: topic not in admin.list_topics())


def configs(topic):
    found = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
    return found["topic"][topic]


@feature
def describe_configs():
    topic = name("kp-described")
    create(topic, 1, {"retention.ms": "123456"})
    found = configs(topic)
    assert found["retention.ms"]["value"] == "123456" and found["retention.ms"]["config_source"] == "DYNAMIC_TOPIC_CONFIG", found["retention.ms"]
    assert found["segment.bytes"]["value"] == "1073741824" and found["segment.bytes"]["config_source"] == "DEFAULT_CONFIG", found["segment.bytes"]


@feature
def alter_configs():
    topic = name("kp-altered")
    create(topic)
    admin.alter_configs([ConfigResource("TOPIC", topic, {"retention.bytes": "1000000"})])
    until("the config is changed", lambda: configs(topic)["retention.bytes"]["value"] == "1000000")
    admin.reset_configs([ConfigResource("TOPIC", topic, {"retention.bytes": None})])
    until("the config is back", lambda: configs(topic)["retention.bytes"]["value"] == "-1")


@feature
def error_unknown_topic():
    refused(UnknownTopicOrPartitionError, lambda: admin.delete_topics([name("kp-unknown")]))


@feature
def error_existing_topic():
    topic = name("kp-existing")
    create(topic)
    refused(TopicAlreadyExistsError, lambda: create(topic))


@feature
def error_bad_config():
    refused(InvalidConfigurationError, lambda: create(name("kp-bad"), 1, {"no.such.config": "1"}))
    refused(InvalidConfigurationError, lambda: create(name("kp-bad"), 1, {"retention.ms": "soon"}))


@produce_features
def produce_with(codec):
    for acks in [0, 1, "all"]:
        topic = name("kp-%s-%s" % (codec, acks))
        create(topic)
        sent = [(b"k%d" % i, (b"value %d " % i) * 20, [("n", b"%d" % i)]) for i in range(200)]
        offsets = produce(topic, sent, acks=acks, compression_type=None if codec == "none" else codec, linger_ms=20, enable_idempotence=acks == "all")
        if acks != 0:
            assert offsets == list(range(200)), offsets[:3]
        taken = read_all(topic, 200)
        assert [(m.key, m.value, list(m.headers), m.offset) for m in taken] == [(k, v, h, i) for i, (k, v, h) in enumerate(sent)]


@feature
def produce_idempotent():
    topic = name("kp-idempotent")
    create(topic)
    assert produce(topic, values(5000), enable_idempotence=True, batch_size=500) == list(range(5000))
    assert [m.value for m in read_all(topic, 5000)] == [b"%d" % i for i in range(5000)]


@feature
def keys_headers_timestamps():
    topic = name("kp-fields")
    create(topic, 1, {"retention.ms": "-1"})  # the records are old
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("\u00fc", b"\x00\xff")]
    sent = [(b"k", None, []), (None, b"v", headers), (b"", b"", headers)]
    times = [1_700_000_003_000, 1_700_000_001_000, 1_700_000_002_000]
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for (key, value, headers), time in zip(sent, times):
        producer.send(topic, key=key, value=value, headers=headers, partition=0, timestamp_ms=time)
    producer.close()
    taken = read_all(topic, 3)
    assert [(m.key, m.value, list(m.headers)) for m in taken] == sent
    assert [m.timestamp for m in taken] == times


@feature
def large_records():
    topic, small = name("kp-large"), name("kp-small")
    create(topic, 1, {"max.message.bytes": "16000000"})
    value = b"x" * 8_000_000
    produce(topic, [(None, value, None)] * 2)
    assert [m.value for m in read_all(topic, 2)] == [value, value]
    create(small, 1, {"max.message.bytes": "1000"})
    refused(MessageSizeTooLargeError, lambda: produce(small, [(None, b"x" * 5000, None)]))


@feature
def auto_created_topics():
    topic = name("kp-auto")
    assert produce(topic, [(None, b"first", None)]) == [0]
    assert [m.value for m in read_all(topic, 1)] == [b"first"]


@feature
def consume_from_beginning():
    topic = name("kp-beginning")
    create(topic)
    produce(topic, values(100))
    assert [m.offset for m in read_all(topic, 100)] == list(range(100))


@feature
def consume_from_end():
    topic = name("kp-end")
    create(topic)
    produce(topic, values(10))
    client = assigned(topic)
    client.seek_to_end()
    assert client.position(TopicPartition(topic, 0)) == 10
    produce(topic, values(5))
    assert [m.offset for m in take(client, 5)] == list(range(10, 15))
    client.close()


def times(topic):
    """A topic of ten records a second apart."""
    create(topic, 1, {"retention.ms": "-1"})  # the records are old
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    for i in range(10):
        producer.send(topic, value=b"%d" % i, partition=0, timestamp_ms=1_700_000_000_000 + i * 1000)
    producer.close()


@feature
def consume_from_timestamp():
    topic = name("kp-moment")
    times(topic)
    client, partition = assigned(topic), TopicPartition(topic, 0)
    client.seek(partition, client.offsets_for_times({partition: 1_700_000_004_500})[partition].offset)
    assert [m.offset for m in take(client, 5)] == list(range(5, 10))
    client.close()


@feature
def seek():
    topic, partition = name("kp-jumps"), TopicPartition(name("kp-jumps"), 0)
    create(topic)
    produce(topic, values(100))
    client = assigned(topic)
    for offset in [20, 50, 5, 99]:
        client.seek(partition, offset)
        assert take(client, 1)[0].offset == offset
    assert client.position(partition) == 100
    client.close()


@feature
def list_offsets():
    topic = name("kp-offsets")
    times(topic)
    client, partition = consumer(), TopicPartition(topic, 0)
    assert client.offsets_for_times({partition: 1_700_000_004_500})[partition].offset == 5
    assert client.offsets_for_times({partition: 1_700_000_009_001})[partition] is None
    assert client.beginning_offsets([partition]) == {partition: 0} and client.end_offsets([partition]) == {partition: 10}
    client.close()


@feature
def delete_records():
    topic = name("kp-shortened")
    create(topic)
    produce(topic, values(100))
    admin.delete_records({TopicPartition(topic, 0): 40})
    assert [m.offset for m in read_all(topic, 60)] == list(range(40, 100))


@feature
def regex_subscription():
    base = name("kp-pattern")
    for topic in [base + ".1", base + ".2", "not-" + base]:
        create(topic)
        produce(topic, values(1))
    client = consumer(base, metadata_max_age_ms=300)
    client.subscribe(pattern="^" + base + "[.].$")
    seen = set()

    def sees(count):  # what is not committed is read again after a rebalance
        seen.update(partition.topic for partition in client.poll(timeout_ms=200))
        return len(seen) == count

    until("two topics are read", lambda: sees(2))
    create(base + ".3")
    produce(base + ".3", values(1))
    until("the new one is read", lambda: sees(3))
    client.close()
    assert seen == {base + ".1", base + ".2", base + ".3"}, seen


def rebalance(base, assignor):
    topic, group = name(base), name(base)
    create(topic, 6)
    config = {"session_timeout_ms": 6000, "partition_assignment_strategy": (assignor,)}
    first, second = consumer(group, **config), consumer(group, **config)
    first.subscribe([topic])
    until("the first has all", lambda: (first.poll(timeout_ms=300), len(first.assignment()) == 6)[1])
    second.subscribe([topic])
    until("they share", lambda: (first.poll(timeout_ms=300), second.poll(timeout_ms=300), len(first.assignment()) == 3 and len(second.assignment()) == 3)[2])
    assert not first.assignment() & second.assignment()
    second.close()
    until("the first has all again", lambda: (first.poll(timeout_ms=300), len(first.assignment()) == 6)[1])
    first.close()


@feature
def group_range():
    rebalance("kp-range", RangePartitionAssignor)


@feature
def group_round_robin():
    rebalance("kp-round-robin", RoundRobinPartitionAssignor)


@feature
def group_sticky():
    rebalance("kp-sticky", StickyPartitionAssignor)


@feature
def group_cooperative():
    rebalance("kp-cooperative", CooperativeStickyAssignor)


@feature
def group_static():
    topic, group = name("kp-static"), name("kp-static")
    create(topic, 2)

    def generation():
        client = joined(topic, group, 2, group_instance_id="one", session_timeout_ms=30000)
        found = client.group_metadata().generation_id
        client.close()
        return found

    assert generation() == generation(), "a static member came back with a rebalance"


def joined(topic, group, partitions, **config):
    client = consumer(group, **config)
    client.subscribe([topic])
    until("all is assigned", lambda: (client.poll(timeout_ms=300), len(client.assignment()) == partitions)[1])
    return client


@feature
def commit_and_restart():
    topic, group = name("kp-resume"), name("kp-resume")
    create(topic)
    partition = TopicPartition(topic, 0)
    produce(topic, values(100))
    client = consumer(group, max_poll_records=10)
    client.subscribe([topic])
    taken = take(client, 60)
    client.commit({partition: OffsetAndMetadata(len(taken), "noted", -1)})
    client.close()
    restart()
    reconnect()
    client = consumer(group)
    assert client.committed(partition) == len(taken)
    client.subscribe([topic])
    assert [m.offset for m in take(client, 100 - len(taken))] == list(range(len(taken), 100))
    client.close()
    produce(topic, [(None, b"after", None)])
    assert read_all(topic, 101)[-1].value == b"after"


@feature
def restart_in_the_middle():
    topic = name("kp-middle")
    create(topic)
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True, reconnect_backoff_max_ms=1000)
    client = consumer(topic, reconnect_backoff_max_ms=1000)
    client.subscribe([topic])
    sent = [producer.send(topic, value=b"%d" % i, partition=0) for i in range(100)]
    taken = take(client, 50)
    thread = restarting()
    for i in range(100, 400):
        sent.append(producer.send(topic, value=b"%d" % i, partition=0))
        time.sleep(0.002)
    thread.join()
    for future in sent:
        future.get(60)
    producer.close()
    taken += take(client, 400 - len(taken))
    assert [m.value for m in taken] == [b"%d" % i for i in range(400)]
    client.close()
    reconnect()


def listed(group):
    return [g for g in admin.list_groups() if g["group_id"] == group]


@feature
def list_groups():
    topic = name("kp-listed")
    create(topic)
    client = joined(topic, topic, 1)
    assert [g["protocol_type"] for g in listed(topic)] == ["consumer"]
    client.close()


@feature
def describe_groups():
    topic = name("kp-members")
    create(topic, 2)
    client = joined(topic, topic, 2, client_id="describer")
    found = admin.describe_groups([topic])[topic]
    assert found["group_state"] == "Stable" and len(found["members"]) == 1, found
    assert found["members"][0]["client_id"] == "describer" and found["members"][0]["client_host"] == "/127.0.0.1", found
    client.close()


@feature
def delete_groups():
    topic = name("kp-gone")
    create(topic)
    client = joined(topic, topic, 1)
    assert admin.delete_groups([topic])[topic] != "OK", "a group with members was deleted"
    client.close()
    assert admin.delete_groups([topic])[topic] == "OK" and not listed(topic)


@feature
def group_offsets():
    topic, partition = name("kp-moved"), TopicPartition(name("kp-moved"), 0)
    create(topic)
    produce(topic, values(10))
    admin.alter_group_offsets(topic, {partition: OffsetAndMetadata(3, "noted", -1)})
    found = admin.list_group_offsets([topic])[topic][partition]
    assert (found.offset, found.metadata) == (3, "noted"), found
    client = consumer(topic)
    client.subscribe([topic])
    assert [m.offset for m in take(client, 7)] == list(range(3, 10))
    client.close()
    admin.delete_group_offsets(topic, [partition])
    assert partition not in admin.list_group_offsets([topic])[topic]


if __name__ == "__main__":
    run()
