import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java clients, old and new, against a node: what an application does in a day. `Version` has where they differ. */
public final class JavaClients {
    private static String bootstrap = "127.0.0.1:9092";
    /** For topics of old records, which would go otherwise. */
    private static final Map<String, String> KEPT = Map.of("retention.ms", "-1");
    private static final Duration MINUTE = Duration.ofMinutes(1);
    private static Admin admin;

    public static void main(String[] args) {
        bootstrap = args[0];
        admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
        Suite suite = new Suite();
        suite.feature("describe_cluster", JavaClients::describeCluster);
        suite.feature("create_topics", JavaClients::createTopics);
        suite.feature("create_partitions", JavaClients::createPartitions);
        suite.feature("delete_topics", JavaClients::deleteTopics);
        suite.feature("describe_configs", JavaClients::describeConfigs);
        suite.feature("alter_configs", JavaClients::alterConfigs);
        suite.feature("error_unknown_topic", JavaClients::errorUnknownTopic);
        suite.feature("error_existing_topic", JavaClients::errorExistingTopic);
        suite.feature("error_bad_config", JavaClients::errorBadConfig);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            suite.feature("produce_" + codec.replace("none", "uncompressed"), () -> produceWith(codec));
        }
        suite.feature("produce_idempotent", JavaClients::produceIdempotent);
        suite.feature("keys_headers_timestamps", JavaClients::keysHeadersTimestamps);
        suite.feature("large_records", JavaClients::largeRecords);
        suite.feature("auto_created_topics", JavaClients::autoCreatedTopics);
        suite.feature("consume_from_beginning", JavaClients::consumeFromBeginning);
        suite.feature("consume_from_end", JavaClients::consumeFromEnd);
        suite.feature("consume_from_timestamp", JavaClients::consumeFromTimestamp);
        suite.feature("seek", JavaClients::seek);
        suite.feature("list_offsets", JavaClients::listOffsets);
        suite.feature("delete_records", JavaClients::deleteRecords);
        suite.feature("regex_subscription", JavaClients::regexSubscription);
        suite.feature("group_range", () -> rebalance("range", "RangeAssignor"));
        suite.feature("group_round_robin", () -> rebalance("round-robin", "RoundRobinAssignor"));
        suite.feature("group_sticky", () -> rebalance("sticky", "StickyAssignor"));
        suite.feature("group_cooperative", () -> rebalance("cooperative", "CooperativeStickyAssignor"));
        suite.feature("group_static", JavaClients::groupStatic);
        suite.feature("commit_and_restart", JavaClients::commitAndRestart);
        suite.feature("restart_in_the_middle", JavaClients::restartInTheMiddle);
        suite.feature("list_groups", JavaClients::listGroups);
        suite.feature("describe_groups", JavaClients::describeGroups);
        suite.feature("delete_groups", JavaClients::deleteGroups);
        suite.feature("group_offsets", JavaClients::groupOffsets);
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
        Suite.until(topic + " is visible", MINUTE, () -> partitions(topic) == partitions);
    }

    private static int partitions(String topic) {
        try {
            return Version.describe(admin, topic).partitions().size();
        } catch (ExecutionException error) {
            Suite.check(error.getCause() instanceof UnknownTopicOrPartitionException, "describing " + topic + ": " + error);
            return 0;
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }

    private static List<ProducerRecord<byte[], byte[]>> numbers(String topic, int count) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            records.add(new ProducerRecord<>(topic, 0, null, bytes("" + i)));
        }
        return records;
    }

    private static void produce(List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            send(producer, records);
        }
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
        Suite.until(count + " records are there", MINUTE, () -> {
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
        int node = admin.describeCluster().controller().get().id();
        Suite.check(admin.describeFeatures().featureMetadata().get().finalizedFeatures().containsKey("metadata.version"), "no metadata.version");
        Suite.equal(1, admin.describeLogDirs(List.of(node)).allDescriptions().get().size(), "log dirs");
        Version.describeQuorum(admin);
    }

    private static void createTopics() throws Exception {
        String topic = Suite.name("created");
        create(topic, 3, Map.of("retention.ms", "123456"));
        Suite.check(admin.listTopics().names().get().contains(topic), "not listed");
    }

    private static void createPartitions() throws Exception {
        String topic = Suite.name("grown");
        create(topic, 1, Map.of());
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        Suite.until("five partitions are visible", MINUTE, () -> partitions(topic) == 5);
    }

    private static void deleteTopics() throws Exception {
        String topic = Suite.name("gone");
        create(topic, 1, Map.of());
        admin.deleteTopics(List.of(topic)).all().get();
        Suite.until("the topic is gone", MINUTE, () -> partitions(topic) == 0);
    }

    private static Config configs(String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private static boolean has(String topic, String config, String value) {
        try {
            return configs(topic).get(config).value().equals(value);
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    private static void describeConfigs() throws Exception {
        String topic = Suite.name("described");
        create(topic, 1, Map.of("retention.ms", "123456"));
        Config config = configs(topic);
        Suite.equal("123456", config.get("retention.ms").value(), "retention.ms");
        Suite.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get("retention.ms").source(), "its source");
        Suite.equal("1073741824", config.get("segment.bytes").value(), "segment.bytes");
        Suite.equal(ConfigEntry.ConfigSource.DEFAULT_CONFIG, config.get("segment.bytes").source(), "its source");
    }

    private static void errorUnknownTopic() throws Exception {
        String topic = Suite.name("unknown");
        Throwable refused = failure(admin.deleteTopics(List.of(topic)).all());
        Suite.check(refused instanceof UnknownTopicOrPartitionException, "deleting: " + refused);
        Suite.equal(0, partitions(topic), "partitions");
    }

    private static void errorExistingTopic() throws Exception {
        String topic = Suite.name("existing");
        create(topic, 1, Map.of());
        Throwable refused = failure(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
        Suite.check(refused instanceof TopicExistsException, "created twice: " + refused);
    }

    private static void errorBadConfig() throws Exception {
        for (Map<String, String> bad : List.of(Map.of("no.such.config", "1"), Map.of("retention.ms", "soon"))) {
            Throwable refused = failure(admin.createTopics(List.of(new NewTopic(Suite.name("bad"), 1, (short) 1).configs(bad))).all());
            Suite.check(refused instanceof InvalidConfigurationException, "creating: " + refused);
        }
    }

    private static void alterConfigs() throws Exception {
        String topic = Suite.name("altered");
        create(topic, 1, Map.of());
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.bytes", "1000000"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        Suite.until("both are set", MINUTE, () -> has(topic, "retention.bytes", "1000000") && has(topic, "cleanup.policy", "delete,compact"));
        admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.bytes", ""), AlterConfigOp.OpType.DELETE)))).all().get();
        Suite.until("the default is back", MINUTE, () -> has(topic, "retention.bytes", "-1"));
    }

    private static void produceWith(String codec) throws Exception {
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

    private static void produceIdempotent() throws Exception {
        String topic = Suite.name("idempotent");
        create(topic, 1, Map.of());
        try (KafkaProducer<byte[], byte[]> producer = producer("enable.idempotence", true, "batch.size", 500)) {
            send(producer, numbers(topic, 5000));
        }
        List<ConsumerRecord<byte[], byte[]>> taken = readAll(topic, 5000);
        for (int i = 0; i < 5000; i++) {
            Suite.equal("" + i, text(taken.get(i).value()), "value");
        }
    }

    private static void keysHeadersTimestamps() throws Exception {
        String topic = Suite.name("fields");
        create(topic, 1, KEPT);
        List<Header> headers = List.of(new RecordHeader("a", bytes("1")), new RecordHeader("a", bytes("2")), new RecordHeader("empty", new byte[0]), new RecordHeader("null", (byte[]) null));
        byte[] nothing = null;
        List<ProducerRecord<byte[], byte[]>> sent = List.of(
            new ProducerRecord<>(topic, 0, at(3), nothing, nothing),
            new ProducerRecord<>(topic, 0, at(1), new byte[0], new byte[0], headers),
            new ProducerRecord<>(topic, 0, at(2), bytes("k"), nothing),
            new ProducerRecord<>(topic, 0, at(0), nothing, bytes("v"), headers));
        produce(sent);
        List<ConsumerRecord<byte[], byte[]>> taken = readAll(topic, 4);
        for (int i = 0; i < 4; i++) {
            Suite.equal(sent.get(i).key(), taken.get(i).key(), "key");
            Suite.equal(sent.get(i).value(), taken.get(i).value(), "value");
            Suite.equal(sent.get(i).timestamp(), taken.get(i).timestamp(), "timestamp");
            Suite.equal(Arrays.asList(sent.get(i).headers().toArray()), Arrays.asList(taken.get(i).headers().toArray()), "headers");
        }
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

    private static void autoCreatedTopics() throws Exception {
        String topic = Suite.name("auto");
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            Suite.equal(0L, producer.send(new ProducerRecord<>(topic, bytes("first"))).get().offset(), "offset");
        }
        Suite.equal("first", text(readAll(topic, 1).get(0).value()), "value");
    }

    private static void consumeFromBeginning() throws Exception {
        String topic = Suite.name("beginning");
        create(topic, 1, Map.of());
        produce(numbers(topic, 100));
        Suite.equal(0L, readAll(topic, 100).get(0).offset(), "first offset");
    }

    private static void consumeFromEnd() throws Exception {
        String topic = Suite.name("end");
        create(topic, 1, Map.of());
        produce(numbers(topic, 10));
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Suite.name("end"))) {
            consumer.assign(List.of(partition));
            consumer.seekToEnd(List.of(partition));
            Suite.equal(10L, consumer.position(partition), "position");
            produce(numbers(topic, 5));
            Suite.equal(10L, take(consumer, 5).get(0).offset(), "first offset");
        }
    }

    private static long at(long seconds) {
        return 1_700_000_000_000L + seconds * 1000;
    }

    /** Makes a topic of ten records a second apart. */
    private static TopicPartition times(String topic) throws Exception {
        create(topic, 1, KEPT);
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (int i = 0; i < 10; i++) {
                producer.send(new ProducerRecord<>(topic, 0, at(i), null, bytes("" + i))).get();
            }
        }
        return new TopicPartition(topic, 0);
    }

    private static void consumeFromTimestamp() throws Exception {
        TopicPartition partition = times(Suite.name("moment"));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Suite.name("moment"))) {
            consumer.assign(List.of(partition));
            consumer.seek(partition, consumer.offsetsForTimes(Map.of(partition, at(4) + 500)).get(partition).offset());
            Suite.equal(5L, take(consumer, 5).get(0).offset(), "first offset");
        }
    }

    private static void seek() throws Exception {
        String topic = Suite.name("jumps");
        create(topic, 1, Map.of());
        produce(numbers(topic, 100));
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Suite.name("jumps"), "max.poll.records", 10)) {
            consumer.assign(List.of(partition));
            for (long offset : List.of(0L, 50L, 5L, 99L)) {
                consumer.seek(partition, offset);
                Suite.equal(offset, take(consumer, 1).get(0).offset(), "first offset");
            }
            Suite.equal(100L, consumer.position(partition), "position");
        }
    }

    private static void listOffsets() throws Exception {
        TopicPartition partition = times(Suite.name("offsets"));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Suite.name("offsets"))) {
            Suite.equal(5L, consumer.offsetsForTimes(Map.of(partition, at(4) + 500)).get(partition).offset(), "in the middle");
            Suite.equal(null, consumer.offsetsForTimes(Map.of(partition, at(9) + 1)).get(partition), "past the end");
            Suite.equal(10L, consumer.endOffsets(List.of(partition)).get(partition), "end");
            Suite.equal(0L, consumer.beginningOffsets(List.of(partition)).get(partition), "beginning");
        }
        Suite.equal(10L, admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset(), "end, from the admin client");
        Version.listGreatestTimestamp(admin, partition, 9);
    }

    private static void deleteRecords() throws Exception {
        String topic = Suite.name("shortened");
        create(topic, 1, Map.of());
        TopicPartition partition = new TopicPartition(topic, 0);
        produce(numbers(topic, 100));
        Suite.equal(40L, admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40))).lowWatermarks().get(partition).get().lowWatermark(), "low watermark");
        Suite.equal(40L, readAll(topic, 60).get(0).offset(), "first offset");
    }

    private static void regexSubscription() throws Exception {
        String base = Suite.name("pattern");
        for (String topic : List.of(base + ".1", base + ".2", "not-" + base)) {
            create(topic, 1, Map.of());
            produce(numbers(topic, 1));
        }
        Set<String> seen = new HashSet<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(base, "metadata.max.age.ms", 300)) {
            consumer.subscribe(Pattern.compile("^" + base + "\\..$"));
            Suite.until("two topics are read", MINUTE, () -> sees(consumer, seen, 2)); // what is not committed is read again after a rebalance
            create(base + ".3", 1, Map.of());
            produce(numbers(base + ".3", 1));
            Suite.until("the new one is read", MINUTE, () -> sees(consumer, seen, 3));
        }
        Suite.equal(Set.of(base + ".1", base + ".2", base + ".3"), seen, "topics");
    }

    private static boolean sees(KafkaConsumer<byte[], byte[]> consumer, Set<String> seen, int count) {
        consumer.poll(Duration.ofMillis(100)).forEach(record -> seen.add(record.topic()));
        return seen.size() == count;
    }

    private static void rebalance(String base, String assignor) throws Exception {
        String topic = Suite.name(base);
        create(topic, 6, Map.of());
        Object[] settings = {"partition.assignment.strategy", "org.apache.kafka.clients.consumer." + assignor, "heartbeat.interval.ms", 200, "session.timeout.ms", 6000};
        try (KafkaConsumer<byte[], byte[]> first = consumer(topic, settings)) {
            first.subscribe(List.of(topic));
            Suite.until("the first has all", MINUTE, () -> {
                first.poll(Duration.ofMillis(20));
                return first.assignment().size() == 6;
            });
            KafkaConsumer<byte[], byte[]> second = consumer(topic, settings);
            second.subscribe(List.of(topic));
            Suite.until("they share", MINUTE, () -> {
                first.poll(Duration.ofMillis(20));
                second.poll(Duration.ofMillis(20));
                return first.assignment().size() == 3 && second.assignment().size() == 3;
            });
            Set<TopicPartition> both = new HashSet<>(first.assignment());
            both.addAll(second.assignment());
            Suite.equal(6, both.size(), "partitions assigned");
            second.close();
            Suite.until("the first has all again", MINUTE, () -> {
                first.poll(Duration.ofMillis(20));
                return first.assignment().size() == 6;
            });
        }
    }

    private static void groupStatic() throws Exception {
        String topic = Suite.name("static");
        String group = Suite.name("static");
        create(topic, 2, Map.of());
        Object[] settings = {"group.instance.id", "one", "session.timeout.ms", 30000};
        int generation;
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, settings)) {
            consumer.subscribe(List.of(topic));
            Suite.until("assigned", MINUTE, () -> {
                consumer.poll(Duration.ofMillis(20));
                return consumer.assignment().size() == 2;
            });
            generation = consumer.groupMetadata().generationId();
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, settings)) {
            consumer.subscribe(List.of(topic));
            Suite.until("assigned again", MINUTE, () -> {
                consumer.poll(Duration.ofMillis(20));
                return consumer.assignment().size() == 2;
            });
            Suite.equal(generation, consumer.groupMetadata().generationId(), "generation: a static member came back");
        }
    }

    private static void commitAndRestart() throws Exception {
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

    /** The only member of a group of the topic's name, with all assigned. */
    private static KafkaConsumer<byte[], byte[]> joined(String topic) throws Exception {
        KafkaConsumer<byte[], byte[]> consumer = consumer(topic, "client.id", "describer");
        consumer.subscribe(List.of(topic));
        Suite.until("all is assigned", MINUTE, () -> {
            consumer.poll(Duration.ofMillis(20));
            return !consumer.assignment().isEmpty();
        });
        return consumer;
    }

    private static void restartInTheMiddle() throws Exception {
        String topic = Suite.name("middle");
        create(topic, 1, Map.of());
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(topic); KafkaProducer<byte[], byte[]> producer = producer("enable.idempotence", true)) {
            consumer.subscribe(List.of(topic));
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : numbers(topic, 100)) {
                sent.add(producer.send(record));
            }
            List<ConsumerRecord<byte[], byte[]>> taken = take(consumer, 50);
            Thread restart = Suite.restarting();
            for (int i = 100; i < 400; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, null, bytes("" + i))));
                Thread.sleep(2);
            }
            restart.join();
            for (Future<RecordMetadata> future : sent) {
                future.get();
            }
            taken.addAll(take(consumer, 400 - taken.size()));
            for (int i = 0; i < 400; i++) {
                Suite.equal("" + i, text(taken.get(i).value()), "value");
            }
        }
    }

    private static boolean listed(String group) throws Exception {
        return admin.listConsumerGroups().all().get().stream().anyMatch(listing -> listing.groupId().equals(group));
    }

    private static void listGroups() throws Exception {
        String topic = Suite.name("listed");
        create(topic, 1, Map.of());
        try (KafkaConsumer<byte[], byte[]> consumer = joined(topic)) {
            Suite.check(listed(topic), "not listed");
        }
    }

    private static void describeGroups() throws Exception {
        String topic = Suite.name("members");
        create(topic, 1, Map.of());
        try (KafkaConsumer<byte[], byte[]> consumer = joined(topic)) {
            ConsumerGroupDescription description = admin.describeConsumerGroups(List.of(topic)).all().get().get(topic);
            Suite.equal("STABLE", Version.state(description), "state");
            Suite.equal(1, description.members().size(), "members");
            MemberDescription member = description.members().iterator().next();
            Suite.equal("describer", member.clientId(), "client id");
            Suite.equal("/127.0.0.1", member.host(), "host");
            Suite.equal(Set.of(new TopicPartition(topic, 0)), member.assignment().topicPartitions(), "assignment");
        }
    }

    private static void deleteGroups() throws Exception {
        String topic = Suite.name("deleted");
        create(topic, 1, Map.of());
        try (KafkaConsumer<byte[], byte[]> consumer = joined(topic)) {
            Throwable refused = failure(admin.deleteConsumerGroups(List.of(topic)).all());
            Suite.check(refused instanceof GroupNotEmptyException, "deleted with members: " + refused);
        }
        admin.deleteConsumerGroups(List.of(topic)).all().get();
        Suite.check(!listed(topic), "still listed");
    }

    private static void groupOffsets() throws Exception {
        String topic = Suite.name("moved");
        create(topic, 1, Map.of());
        produce(numbers(topic, 10));
        TopicPartition partition = new TopicPartition(topic, 0);
        admin.alterConsumerGroupOffsets(topic, Map.of(partition, new OffsetAndMetadata(3, "noted"))).all().get();
        OffsetAndMetadata found = admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(partition);
        Suite.equal(3L, found.offset(), "offset");
        Suite.equal("noted", found.metadata(), "metadata");
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(topic)) {
            consumer.subscribe(List.of(topic));
            Suite.equal(3L, take(consumer, 7).get(0).offset(), "first offset");
        }
        admin.deleteConsumerGroupOffsets(topic, Set.of(partition)).all().get();
        Suite.equal(null, admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata().get().get(partition), "the offset after its deletion");
    }
}
