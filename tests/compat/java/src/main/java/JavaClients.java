import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java clients against a node: what an application does in a day. */
public final class JavaClients {
    private static String bootstrap = "127.0.0.1:9092";
    private static Admin admin;

    public static void main(String[] args) {
        bootstrap = args[0];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        Suite suite = new Suite();
        suite.feature("describe_cluster", JavaClients::describeCluster);
        suite.feature("create_and_describe_topics", JavaClients::createAndDescribeTopics);
        suite.feature("alter_configs", JavaClients::alterConfigs);
        suite.feature("every_codec_and_acks_level", JavaClients::everyCodecAndAcksLevel);
        suite.feature("nulls_and_headers", JavaClients::nullsAndHeaders);
        suite.feature("large_records", JavaClients::largeRecords);
        suite.feature("auto_created_topic", JavaClients::autoCreatedTopic);
        suite.feature("offsets_by_timestamp", JavaClients::offsetsByTimestamp);
        suite.feature("delete_records_and_topics", JavaClients::deleteRecordsAndTopics);
        suite.feature("group_members_join_and_leave", JavaClients::groupMembersJoinAndLeave);
        suite.feature("static_membership", JavaClients::staticMembership);
        suite.feature("commit_restart_resume", JavaClients::commitRestartResume);
        suite.feature("describe_list_and_delete_groups", JavaClients::describeListAndDeleteGroups);
        suite.run(Arrays.copyOfRange(args, 1, args.length));
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }

    private static void create(String topic, int partitions, Map<String, String> configs) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
    }

    private static KafkaProducer<byte[], byte[]> producer(Object... settings) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "max.request.size", 20_000_000));
        for (int i = 0; i < settings.length; i += 2) {
            config.put((String) settings[i], settings[i + 1]);
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String group, Object... settings) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", bootstrap, "group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false));
        for (int i = 0; i < settings.length; i += 2) {
            config.put((String) settings[i], settings[i + 1]);
        }
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<RecordMetadata> send(KafkaProducer<byte[], byte[]> producer, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> record : records) {
            futures.add(producer.send(record));
        }
        producer.flush();
        List<RecordMetadata> done = new ArrayList<>();
        for (Future<RecordMetadata> future : futures) {
            done.add(future.get());
        }
        return done;
    }

    private static List<ConsumerRecord<byte[], byte[]>> take(KafkaConsumer<byte[], byte[]> consumer, int count) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> taken = new ArrayList<>();
        Suite.until(count + " records are there", Duration.ofSeconds(30), () -> {
            consumer.poll(Duration.ofMillis(100)).forEach(taken::add);
            return taken.size() >= count;
        });
        return taken;
    }

    private static List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int count) throws Exception {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Suite.name("assign"))) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(List.of(new TopicPartition(topic, 0)));
            List<ConsumerRecord<byte[], byte[]>> taken = take(consumer, count);
            Suite.equal(0, consumer.poll(Duration.ofMillis(200)).count(), "records beyond those sent");
            Suite.equal(count, taken.size(), "records");
            return taken;
        }
    }

    private static Throwable failure(Future<?> future) throws Exception {
        try {
            future.get();
        } catch (ExecutionException error) {
            return error.getCause();
        }
        throw new AssertionError("this should have failed");
    }

    private static void describeCluster() throws Exception {
        Suite.equal(1, admin.describeCluster().nodes().get().size(), "nodes");
        Suite.check(!admin.describeCluster().clusterId().get().isEmpty(), "no cluster id");
        Suite.check(admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("metadata.version"), "no metadata.version");
        Suite.equal(1, admin.describeMetadataQuorum().quorumInfo().get().voters().size(), "voters");
        Suite.equal(1, admin.describeLogDirs(List.of(admin.describeCluster().nodes().get().iterator().next().id())).allDescriptions().get().size(), "log dirs");
    }

    private static void createAndDescribeTopics() throws Exception {
        String topic = Suite.name("created");
        create(topic, 3, Map.of("retention.ms", "123456"));
        TopicDescription description = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        Suite.equal(3, description.partitions().size(), "partitions");
        Suite.check(admin.listTopics().names().get().contains(topic), "not listed");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Suite.equal("123456", config.get("retention.ms").value(), "retention.ms");
        Suite.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get("retention.ms").source(), "its source");
        Suite.equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, config.get("segment.bytes").source(), "source of segment.bytes");
        Throwable twice = failure(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().toCompletionStage().toCompletableFuture());
        Suite.check(twice instanceof TopicExistsException, "created twice: " + twice);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        Suite.until("five partitions", Duration.ofSeconds(10), () -> {
            try {
                return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 5;
            } catch (Exception error) {
                return false;
            }
        });
    }

    private static void alterConfigs() throws Exception {
        String topic = Suite.name("altered");
        create(topic, 1, Map.of());
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.bytes", "1000000"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Suite.equal("1000000", config.get("retention.bytes").value(), "retention.bytes");
        Suite.equal("delete,compact", config.get("cleanup.policy").value(), "cleanup.policy");
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.bytes", ""), AlterConfigOp.OpType.DELETE)))).all().get();
        config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        Suite.equal("-1", config.get("retention.bytes").value(), "retention.bytes after its deletion");
    }

    private static void everyCodecAndAcksLevel() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            for (String acks : List.of("0", "1", "all")) {
                String topic = Suite.name(codec + "-" + acks);
                create(topic, 1, Map.of());
                List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
                for (int i = 0; i < 200; i++) {
                    records.add(new ProducerRecord<>(topic, 0, bytes("k" + i), bytes(("value " + i + " ").repeat(20)), List.of(new RecordHeader("n", bytes("" + i)))));
                }
                try (KafkaProducer<byte[], byte[]> producer = producer("compression.type", codec, "acks", acks, "linger.ms", 20, "enable.idempotence", acks.equals("all"))) {
                    List<RecordMetadata> done = send(producer, records);
                    for (int i = 0; i < 200 && !acks.equals("0"); i++) {
                        Suite.equal((long) i, done.get(i).offset(), "offset");
                    }
                }
                List<ConsumerRecord<byte[], byte[]>> taken = readAll(topic, 200);
                for (int i = 0; i < 200; i++) {
                    Suite.equal("k" + i, text(taken.get(i).key()), "key");
                    Suite.equal(text(records.get(i).value()), text(taken.get(i).value()), "value");
                    Suite.equal("" + i, text(taken.get(i).headers().lastHeader("n").value()), "header");
                    Suite.equal((long) i, taken.get(i).offset(), "offset");
                }
            }
        }
    }

    private static void nullsAndHeaders() throws Exception {
        String topic = Suite.name("nulls");
        create(topic, 1, Map.of());
        List<Header> headers = List.of(new RecordHeader("a", bytes("1")), new RecordHeader("a", bytes("2")), new RecordHeader("empty", new byte[0]), new RecordHeader("null", (byte[]) null));
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            byte[] nothing = null;
            send(producer, List.of(
                new ProducerRecord<>(topic, 0, nothing, nothing),
                new ProducerRecord<>(topic, 0, new byte[0], new byte[0], headers),
                new ProducerRecord<>(topic, 0, bytes("k"), nothing)));
        }
        List<ConsumerRecord<byte[], byte[]>> taken = readAll(topic, 3);
        Suite.check(taken.get(0).key() == null && taken.get(0).value() == null, "nulls");
        Suite.check(taken.get(1).key().length == 0 && taken.get(1).value().length == 0, "empty ones");
        Suite.equal(headers, Arrays.asList(taken.get(1).headers().toArray()), "headers");
        Suite.check(taken.get(2).value() == null, "a null value");
    }

    private static void largeRecords() throws Exception {
        String topic = Suite.name("large");
        create(topic, 1, Map.of("max.message.bytes", "16000000"));
        try (KafkaProducer<byte[], byte[]> producer = producer("buffer.memory", 64_000_000L)) {
            byte[] value = new byte[10_000_000];
            Arrays.fill(value, (byte) 7);
            send(producer, List.of(new ProducerRecord<>(topic, 0, null, value), new ProducerRecord<>(topic, 0, null, value)));
            Suite.check(Arrays.equals(value, readAll(topic, 2).get(1).value()), "the value");
            String small = Suite.name("small");
            create(small, 1, Map.of("max.message.bytes", "1000"));
            Throwable refused = failure(producer.send(new ProducerRecord<>(small, 0, null, new byte[5000])));
            Suite.check(refused instanceof RecordTooLargeException, "a record above max.message.bytes: " + refused);
        }
    }

    private static void autoCreatedTopic() throws Exception {
        String topic = Suite.name("auto");
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            Suite.equal(0L, producer.send(new ProducerRecord<>(topic, bytes("first"))).get().offset(), "offset");
        }
        Suite.equal("first", text(readAll(topic, 1).get(0).value()), "value");
    }

    private static void offsetsByTimestamp() throws Exception {
        String topic = Suite.name("times");
        create(topic, 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (long i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + i * 1000, null, bytes("" + i))).get();
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Suite.name("times"))) {
            Suite.equal(5L, consumer.offsetsForTimes(Map.of(partition, 1_700_000_004_500L)).get(partition).offset(), "in the middle");
            Suite.equal(null, consumer.offsetsForTimes(Map.of(partition, 1_700_000_009_001L)).get(partition), "past the end");
            Suite.equal(10L, consumer.endOffsets(List.of(partition)).get(partition), "end");
            Suite.equal(0L, consumer.beginningOffsets(List.of(partition)).get(partition), "beginning");
        }
        Suite.equal(9L, admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get().offset(), "of the greatest timestamp");
    }

    private static void deleteRecordsAndTopics() throws Exception {
        String topic = Suite.name("deleted");
        create(topic, 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            records.add(new ProducerRecord<>(topic, 0, null, bytes("" + i)));
        }
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            send(producer, records);
        }
        Suite.equal(40L, admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40))).lowWatermarks().get(partition).get().lowWatermark(), "low watermark");
        Suite.equal(40L, readAll(topic, 60).get(0).offset(), "first offset");
        admin.deleteTopics(List.of(topic)).all().get();
        Suite.check(!admin.listTopics().names().get().contains(topic), "still listed");
    }

    private static void groupMembersJoinAndLeave() throws Exception {
        for (String assignor : List.of("RangeAssignor", "CooperativeStickyAssignor")) {
            String topic = Suite.name("group" + assignor);
            create(topic, 6, Map.of());
            Object[] settings = {"partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor, "heartbeat.interval.ms", 200, "session.timeout.ms", 6000};
            try (KafkaConsumer<byte[], byte[]> first = consumer(Suite.name("members" + assignor), settings)) {
                first.subscribe(List.of(topic));
                Suite.until("the first has all", Duration.ofSeconds(30), () -> {
                    first.poll(Duration.ofMillis(20));
                    return first.assignment().size() == 6;
                });
                KafkaConsumer<byte[], byte[]> second = consumer(Suite.name("members" + assignor), settings);
                second.subscribe(List.of(topic));
                Suite.until("they share", Duration.ofSeconds(60), () -> {
                    first.poll(Duration.ofMillis(20));
                    second.poll(Duration.ofMillis(20));
                    return first.assignment().size() == 3 && second.assignment().size() == 3;
                });
                Set<TopicPartition> both = new HashSet<>(first.assignment());
                both.addAll(second.assignment());
                Suite.equal(6, both.size(), "partitions assigned");
                second.close();
                Suite.until("the first has all again", Duration.ofSeconds(60), () -> {
                    first.poll(Duration.ofMillis(20));
                    return first.assignment().size() == 6;
                });
            }
        }
    }

    private static void staticMembership() throws Exception {
        String topic = Suite.name("static");
        String group = Suite.name("static");
        create(topic, 2, Map.of());
        Object[] settings = {"group.instance.id", "one", "session.timeout.ms", 30000};
        int generation;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, settings)) {
            consumer.subscribe(List.of(topic));
            Suite.until("assigned", Duration.ofSeconds(30), () -> {
                consumer.poll(Duration.ofMillis(20));
                return consumer.assignment().size() == 2;
            });
            generation = consumer.groupMetadata().generationId();
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, settings)) {
            consumer.subscribe(List.of(topic));
            Suite.until("assigned again", Duration.ofSeconds(30), () -> {
                consumer.poll(Duration.ofMillis(20));
                return consumer.assignment().size() == 2;
            });
            Suite.equal(generation, consumer.groupMetadata().generationId(), "generation: a static member came back");
        }
    }

    private static void commitRestartResume() throws Exception {
        String topic = Suite.name("resume");
        String group = Suite.name("resume");
        create(topic, 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            records.add(new ProducerRecord<>(topic, 0, null, bytes("" + i)));
        }
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            send(producer, records);
            try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, "max.poll.records", 10)) {
                consumer.subscribe(List.of(topic));
                List<ConsumerRecord<byte[], byte[]>> taken = take(consumer, 60);
                consumer.commitSync(Map.of(partition, new OffsetAndMetadata(60, Optional.empty(), "noted")));
                Suite.equal(0L, taken.get(0).offset(), "first");
            }
            Suite.restart();
            try (KafkaConsumer<byte[], byte[]> consumer = consumer(group)) {
                consumer.subscribe(List.of(topic));
                OffsetAndMetadata committed = consumer.committed(Set.of(partition)).get(partition);
                Suite.equal(60L, committed.offset(), "committed");
                Suite.equal("noted", committed.metadata(), "metadata");
                List<ConsumerRecord<byte[], byte[]>> rest = take(consumer, 40);
                Suite.equal(60L, rest.get(0).offset(), "resumed at");
                Suite.equal(100L, producer.send(new ProducerRecord<>(topic, 0, null, bytes("after"))).get().offset(), "the next offset");
            }
        }
    }

    private static void describeListAndDeleteGroups() throws Exception {
        String topic = Suite.name("groups");
        String group = Suite.name("groups");
        create(topic, 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group)) {
            consumer.subscribe(List.of(topic));
            Suite.until("assigned", Duration.ofSeconds(30), () -> {
                consumer.poll(Duration.ofMillis(20));
                return consumer.assignment().size() == 1;
            });
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(0)));
            ConsumerGroupDescription description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            Suite.equal("STABLE", description.groupState().name(), "state");
            Suite.equal(Set.of(partition), description.members().iterator().next().assignment().topicPartitions(), "assignment");
            Suite.check(failure(admin.deleteConsumerGroups(List.of(group)).all().toCompletionStage().toCompletableFuture()) instanceof GroupNotEmptyException, "deleted with members");
        }
        Collection<String> listed = admin.listGroups().all().get().stream().map(listing -> listing.groupId()).toList();
        Suite.check(listed.contains(group), "not listed");
        Suite.equal(0L, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition).offset(), "offset");
        admin.deleteConsumerGroupOffsets(group, Set.of(partition)).all().get();
        Suite.equal(null, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(partition), "deleted offset");
        admin.deleteConsumerGroups(List.of(group)).all().get();
    }
}
