"""librdkafka (confluent-kafka for Python) against a node: what an application does in a day."""

import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType, AlterConfigOpType, ConfigEntry
from confluent_kafka import ConsumerGroupTopicPartitions

from suite import BOOTSTRAP, feature, name, produce_features, refused, restart, restarting, run, until

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


def take(client, count, seconds=60.0):
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


def code(error):
    return error.args[0].code()


@feature
def describe_cluster():
    found = admin.describe_cluster().result(10)
    assert len(found.nodes) == 1 and found.controller.id == found.nodes[0].id and found.cluster_id


@feature
def create_topics():
    topic = name("rd-created")
    create(topic, 3, {"retention.ms": "123456"})
    found = admin.list_topics(topic, timeout=10).topics[topic]
    assert found.error is None and sorted(found.partitions) == [0, 1, 2]


@feature
def create_partitions():
    topic = name("rd-grown")
    create(topic)
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(10)
    until("five partitions are visible", lambda: len(admin.list_topics(topic, timeout=10).topics[topic].partitions) == 5)


@feature
def delete_topics():
    topic = name("rd-gone")
    create(topic)
    admin.delete_topics([topic])[topic].result(10)
    until("the topic is gone", lambda: topic not in admin.list_topics(timeout=10).topics)


@feature
def describe_configs():
    topic = name("rd-described")
    create(topic, 1, {"retention.ms": "123456"})
    resource = ConfigResource(ResourceType.TOPIC, topic)
    entries = admin.describe_configs([resource])[resource].result(10)
    assert entries["retention.ms"].value == "123456" and entries["retention.ms"].source == 1
    assert entries["segment.bytes"].value == "1073741824" and entries["segment.bytes"].is_default


@feature
def alter_configs():
    topic = name("rd-altered")
    create(topic)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[ConfigEntry("retention.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)])
    admin.incremental_alter_configs([resource])[resource].result(10)
    resource = ConfigResource(ResourceType.TOPIC, topic)
    until("the config is changed", lambda: admin.describe_configs([resource])[resource].result(10)["retention.bytes"].value == "1000000")


@feature
def error_unknown_topic():
    topic = name("rd-unknown")
    assert code(refused(KafkaException, lambda: admin.delete_topics([topic])[topic].result(10))) == KafkaError.UNKNOWN_TOPIC_OR_PART
    resource = ConfigResource(ResourceType.TOPIC, topic)
    assert code(refused(KafkaException, lambda: admin.describe_configs([resource])[resource].result(10))) == KafkaError.UNKNOWN_TOPIC_OR_PART


@feature
def error_existing_topic():
    topic = name("rd-existing")
    create(topic)
    assert code(refused(KafkaException, lambda: create(topic))) == KafkaError.TOPIC_ALREADY_EXISTS


@feature
def error_bad_config():
    for bad in [{"no.such.config": "1"}, {"retention.ms": "soon"}]:
        assert code(refused(KafkaException, lambda: create(name("rd-bad"), 1, bad))) == KafkaError.INVALID_CONFIG


@produce_features
def produce_with(codec):
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
def produce_idempotent():
    topic = name("rd-idempotent")
    create(topic)
    sent = [(None, b"%d" % i, None, 0) for i in range(5000)]
    delivered = produce(topic, sent, **{"enable.idempotence": True, "batch.num.messages": 50})
    assert delivered == [(0, i) for i in range(5000)]
    assert [m.value() for m in read_all(topic, 5000)] == [v for _, v, _, _ in sent]


@feature
def keys_headers_timestamps():
    topic = name("rd-fields")
    create(topic, 1, {"retention.ms": "-1"})  # the records are old
    headers = [("a", b"1"), ("a", b"2"), ("empty", b""), ("null", None), ("\u00fc", b"\x00\xff")]
    sent = [(None, None, None), (b"", b"", headers), (b"k", None, None), (None, b"v", headers)]
    times = [1_700_000_000_000 + i * 1000 for i in (3, 1, 2, 0)]
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for (key, value, headers), at in zip(sent, times):
        producer.produce(topic, key=key, value=value, headers=headers, partition=0, timestamp=at)
    producer.flush(30)
    taken = read_all(topic, 4)
    assert [(m.key(), m.value(), m.headers()) for m in taken] == sent
    assert [m.timestamp()[1] for m in taken] == times


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
def auto_created_topics():
    topic = name("rd-auto")
    assert produce(topic, [(None, b"first", None, -1)]) == [(0, 0)]
    assert [m.value() for m in read_all(topic, 1)] == [b"first"]


def values(count):
    return [(None, b"%d" % i, None, 0) for i in range(count)]


@feature
def consume_from_beginning():
    topic = name("rd-beginning")
    create(topic)
    produce(topic, values(100))
    assert [m.offset() for m in read_all(topic, 100)] == list(range(100))


@feature
def consume_from_end():
    topic = name("rd-end")
    create(topic)
    produce(topic, values(10))
    client = consumer(name("rd-end"))
    client.assign([TopicPartition(topic, 0, client.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)[1])])
    produce(topic, values(5))
    assert [m.offset() for m in take(client, 5)] == list(range(10, 15))
    client.close()


def times(topic):
    """A topic of ten records a second apart."""
    create(topic, 1, {"retention.ms": "-1"})  # the records are old
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for i in range(10):
        producer.produce(topic, value=b"%d" % i, partition=0, timestamp=1_700_000_000_000 + i * 1000)
    producer.flush(30)


@feature
def consume_from_timestamp():
    topic = name("rd-moment")
    times(topic)
    client = consumer(name("rd-moment"))
    client.assign(client.offsets_for_times([TopicPartition(topic, 0, 1_700_000_004_500)], timeout=10))
    assert [m.offset() for m in take(client, 5)] == list(range(5, 10))
    client.close()


@feature
def seek():
    topic = name("rd-jumps")
    create(topic)
    produce(topic, values(100))
    client = consumer(topic)
    client.assign([TopicPartition(topic, 0, 20)])
    assert take(client, 1)[0].offset() == 20
    for offset in [50, 5, 99]:
        client.seek(TopicPartition(topic, 0, offset))
        assert take(client, 1)[0].offset() == offset
    assert client.position([TopicPartition(topic, 0)])[0].offset == 100
    client.close()


@feature
def list_offsets():
    topic = name("rd-offsets")
    times(topic)
    client = consumer(name("rd-offsets"))

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
def delete_records():
    topic = name("rd-shortened")
    create(topic)
    produce(topic, values(100))
    for future in admin.delete_records([TopicPartition(topic, 0, 40)]).values():
        assert future.result(10).low_watermark == 40
    assert [m.offset() for m in read_all(topic, 60)] == list(range(40, 100))


@feature
def regex_subscription():
    base = name("rd-pattern")
    for topic in [base + ".1", base + ".2", "not-" + base]:
        create(topic)
        produce(topic, values(1))
    client = consumer(base, **{"topic.metadata.refresh.interval.ms": 300})
    client.subscribe(["^" + base + "[.].$"])
    seen = set()

    def sees(count):  # what is not committed is read again after a rebalance
        seen.update(m.topic() for m in client.consume(10, 0.2) if m.error() is None)
        return len(seen) == count

    until("two topics are read", lambda: sees(2))
    create(base + ".3")
    produce(base + ".3", values(1))
    until("the new one is read", lambda: sees(3))
    client.close()
    assert seen == {base + ".1", base + ".2", base + ".3"}, seen


def rebalance(base, strategy):
    topic, group = name(base), name(base)
    create(topic, 6)
    produce(topic, [(b"%d" % i, b"%d" % i, None, i % 6) for i in range(600)])
    config = {"partition.assignment.strategy": strategy, "session.timeout.ms": 6000, "heartbeat.interval.ms": 200}
    first, second = consumer(group, **config), consumer(group, **config)
    taken = set()

    def poll(client):
        taken.update((m.partition(), m.offset()) for m in client.consume(500, 0.05) if m.error() is None)

    first.subscribe([topic])
    until("the first has all", lambda: (poll(first), len(first.assignment()) == 6)[1])
    second.subscribe([topic])
    until("they share", lambda: (poll(first), poll(second), len(first.assignment()) == 3 and len(second.assignment()) == 3)[2])
    assert not {t.partition for t in first.assignment()} & {t.partition for t in second.assignment()}
    second.close()
    until("the first has all again", lambda: (poll(first), len(first.assignment()) == 6)[1])
    until("all was read", lambda: (poll(first), len(taken) == 600)[1])
    first.close()


@feature
def group_range():
    rebalance("rd-range", "range")


@feature
def group_round_robin():
    rebalance("rd-round-robin", "roundrobin")


@feature
def group_cooperative():
    rebalance("rd-cooperative", "cooperative-sticky")


@feature
def group_static():
    topic, group = name("rd-static"), name("rd-static")
    create(topic, 6)
    config = {"session.timeout.ms": 30000, "heartbeat.interval.ms": 200, "partition.assignment.strategy": "range"}
    assignments = []
    watching = consumer(group, **{**config, "group.instance.id": "watching"})
    watching.subscribe([topic], on_assign=lambda _, assigned: assignments.append(assigned))
    until("the first has all", lambda: (watching.poll(0.05), assignments)[1])

    def coming():
        client = consumer(group, **{**config, "group.instance.id": "coming"})
        client.subscribe([topic])
        until("they share", lambda: (client.poll(0.05), watching.poll(0.05), len(client.assignment()) == 3 and len(watching.assignment()) == 3)[2])
        owned = client.assignment()
        client.close()
        return owned

    assert coming() == coming() and len(assignments) == 2, "a static member came back with a rebalance: %s" % assignments
    watching.close()


@feature
def commit_and_restart():
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
def restart_in_the_middle():
    topic = name("rd-middle")
    create(topic)
    client, producer, errors = consumer(topic), Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True}), []
    client.subscribe([topic])

    def send(i):
        producer.produce(topic, value=b"%d" % i, partition=0, on_delivery=lambda error, _: error and errors.append(error))
        producer.poll(0)

    for i in range(100):
        send(i)
    taken = take(client, 50)
    thread = restarting()
    for i in range(100, 400):
        send(i)
        time.sleep(0.002)
    thread.join()
    assert producer.flush(60) == 0 and not errors, errors

    def more():
        taken.extend(m for m in client.consume(400 - len(taken), 0.2) if m.error() is None)
        return len(taken) == 400

    until("400 messages are there", more)
    assert [m.value() for m in taken] == [b"%d" % i for i in range(400)]
    client.close()


def joined(topic, **config):
    """The only member of a group of the topic's name, with all assigned."""
    client = consumer(topic, **config)
    client.subscribe([topic])
    until("all is assigned", lambda: (client.poll(0.05), client.assignment())[1])
    return client


def listed(group):
    return group in [g.group_id for g in admin.list_consumer_groups().result(10).valid]


@feature
def list_groups():
    topic = name("rd-listed")
    create(topic)
    client = joined(topic)
    assert listed(topic)
    client.close()


@feature
def describe_groups():
    topic = name("rd-members")
    create(topic, 2)
    client = joined(topic, **{"client.id": "describer"})
    found = admin.describe_consumer_groups([topic])[topic].result(10)
    assert found.state.name == "STABLE" and len(found.members) == 1
    assert found.members[0].client_id == "describer" and len(found.members[0].assignment.topic_partitions) == 2
    client.close()


@feature
def delete_groups():
    topic = name("rd-deleted")
    create(topic)
    client = joined(topic)
    assert code(refused(KafkaException, lambda: admin.delete_consumer_groups([topic])[topic].result(10))) == KafkaError.NON_EMPTY_GROUP
    client.close()
    admin.delete_consumer_groups([topic])[topic].result(10)
    assert not listed(topic)


@feature
def group_offsets():
    topic = name("rd-moved")
    create(topic)
    produce(topic, values(10))
    admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(topic, [TopicPartition(topic, 0, 3)])])[topic].result(10)
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(topic)])[topic].result(10)
    assert [(t.topic, t.partition, t.offset) for t in found.topic_partitions] == [(topic, 0, 3)]
    client = consumer(topic)
    client.subscribe([topic])
    assert [m.offset() for m in take(client, 7)] == list(range(3, 10))
    client.close()


if __name__ == "__main__":
    run()
