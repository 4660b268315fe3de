import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Puts into a cluster what a log directory can hold, a little more each round. The same round writes the same. */
final class Fill {
    /** Of records whose topics keep them for ever. */
    private static final long LONG_AGO = 1_700_000_000_000L;
    /** Of records whose producers are to be remembered, which depends on the records' age: a quarter of an hour ago. */
    private final long recently = System.currentTimeMillis() / 1000 * 1000 - 900_000;

    /** Lives through all restarts of brokers of either kind, with its producer id and sequence numbers. */
    private Producer<byte[], byte[]> longLived;
    private Admin admin;
    private String bootstrap;
    private Random random;
    private int round;

    void round(String bootstrap, int round, boolean transactions) throws Exception {
        this.bootstrap = bootstrap;
        this.round = round;
        random = new Random(round);
        try (Admin opened = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin = opened;
            if (round == 0) {
                createTopics();
            }
            deletedRecords(); // first: brokers note it after a while
            codecs();
            segments();
            idempotent();
            appendTime();
            compacted(transactions);
            deletedTopics();
            moves();
            groups();
            configs();
            if (transactions) {
                transactions();
                metadataOfOthers();
            }
        }
    }

    private void createTopics() throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        topics.add(topic("codecs", 5, Map.of("retention.ms", "-1")));
        topics.add(topic("segments", 2, Map.of("retention.ms", "-1", "segment.ms", "60000", "index.interval.bytes", "200")));
        topics.add(topic("idempotent", 2, Map.of("segment.ms", "10000")));
        topics.add(topic("append-time", 1, Map.of("message.timestamp.type", "LogAppendTime")));
        topics.add(topic("transactions", 2, Map.of("segment.ms", "10000", "index.interval.bytes", "100")));
        Map<String, String> compact = Map.of(
                "cleanup.policy", "compact", "segment.ms", "1000", "min.cleanable.dirty.ratio", "0.01");
        topics.add(topic("compacted", 1, compact));
        topics.add(topic("compacted-transactions", 1, compact));
        topics.add(topic("deleted-records", 2, Map.of("retention.ms", "-1", "segment.ms", "60000")));
        topics.add(topic("load", 1, Map.of()));
        topics.add(topic("empty", 3, Map.of("min.insync.replicas", "1", "compression.type", "zstd")));
        admin.createTopics(topics).all().get(30, TimeUnit.SECONDS);
    }

    private static NewTopic topic(String name, int partitions, Map<String, String> configs) {
        return new NewTopic(name, partitions, (short) 1).configs(configs);
    }

    private KafkaProducer<byte[], byte[]> producer(Map<String, Object> more) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("linger.ms", 5);
        properties.put("delivery.timeout.ms", 60_000);
        properties.put("request.timeout.ms", 10_000);
        properties.put("reconnect.backoff.max.ms", 200);
        properties.putAll(more);
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Without a producer id: brokers forget those whose records are old at different times. */
    private KafkaProducer<byte[], byte[]> plain(Map<String, Object> more) {
        Map<String, Object> settings = new HashMap<>(more);
        settings.put("enable.idempotence", false);
        settings.put("max.in.flight.requests.per.connection", 1);
        return producer(settings);
    }

    private static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, int partition, long timestamp, String key, String value) {
        return new ProducerRecord<>(topic, partition, timestamp, bytes(key), bytes(value));
    }

    /** Large and small, with and without keys, values and headers, one partition for each codec. */
    private void codecs() throws Exception {
        List<String> codecs = List.of("none", "gzip", "snappy", "lz4", "zstd");
        for (int partition = 0; partition < codecs.size(); partition++) {
            try (var producer = plain(Map.of("compression.type", codecs.get(partition)))) {
                for (int i = 0; i < 120; i++) {
                    String key = i % 5 == 0 ? null : "key-" + random.nextInt(50);
                    String value = i % 7 == 0 ? null : "value-" + i + "-" + "abc".repeat(random.nextInt(i % 40 == 1 ? 30_000 : 60));
                    var record = record("codecs", partition, LONG_AGO + round * 1000 + i, key, value);
                    for (int header = 0; header < i % 3; header++) {
                        record.headers().add("header-" + header, header == 1 ? null : bytes("h" + i));
                    }
                    producer.send(record);
                    if (i % 30 == 29) {
                        producer.flush();
                    }
                }
                byte[] noise = new byte[200_000];
                random.nextBytes(noise);
                producer.send(new ProducerRecord<>("codecs", partition, LONG_AGO, bytes("noise"), noise)).get();
            }
        }
    }

    /** Timestamps that end segments, some of them out of order. */
    private void segments() throws Exception {
        try (var producer = plain(Map.of())) {
            for (int i = 0; i < 60; i++) {
                for (int partition = 0; partition < 2; partition++) {
                    long timestamp = LONG_AGO + round * 3_600_000L + i * 7_000L * (partition + 1) + random.nextInt(20_000);
                    producer.send(record("segments", partition, timestamp, "k" + i, "round " + round + " record " + i));
                    producer.send(record("segments", partition, timestamp - 5_000, null, "x".repeat(random.nextInt(200))));
                }
                producer.flush();
            }
        }
    }

    private void idempotent() throws Exception {
        if (longLived == null) {
            longLived = producer(Map.of("enable.idempotence", true));
        }
        try (var shortLived = producer(Map.of("enable.idempotence", true))) {
            for (int i = 0; i < 40; i++) {
                long timestamp = recently + round * 60_000L + i * 1000;
                longLived.send(record("idempotent", i % 2, timestamp, "long", "round " + round + " record " + i));
                shortLived.send(record("idempotent", i % 2, timestamp, "short", "round " + round + " record " + i));
                if (i % 4 == 3) {
                    longLived.flush();
                    shortLived.flush();
                }
            }
        }
    }

    private void appendTime() throws Exception {
        try (var producer = plain(Map.of("compression.type", "lz4"))) {
            for (int i = 0; i < 20; i++) {
                producer.send(record("append-time", 0, 1, null, "round " + round + " record " + i)).get();
            }
        }
    }

    /** Keys that come again, tombstones; waits until the broker has cleaned what it can. */
    private void compacted(boolean transactions) throws Exception {
        try (var producer = producer(Map.of())) {
            for (int i = 0; i < 90; i++) {
                String value = i % 11 == 0 ? null : "round " + round + " record " + i;
                producer.send(record("compacted", 0, recently + round * 100_000L + i * 100L, "k" + (i * 7 + round) % 13, value)).get();
            }
            // Ends the segment; what is before it can be cleaned.
            producer.send(record("compacted", 0, recently + round * 100_000L + 50_000, "end-" + round, "")).get();
        }
        if (transactions) {
            try (var producer = producer(Map.of("transactional.id", "compacting"))) {
                producer.initTransactions();
                for (int i = 0; i < 12; i++) {
                    producer.beginTransaction();
                    for (int j = 0; j < 4; j++) {
                        // Ahead of the markers, which have the time of day and would otherwise keep segments from ending.
                        long timestamp = recently + 900_000 + (round + 1) * 60_000L + i * 1_500L;
                        producer.send(record("compacted-transactions", 0, timestamp, "k" + (i + j) % 5, "round " + round + "/" + i));
                    }
                    finish(producer, i % 3 == 1);
                }
            }
        }
        new Cleaned(bootstrap).await("compacted");
        new Cleaned(bootstrap).await("compacted-transactions");
    }

    private static void finish(Producer<byte[], byte[]> producer, boolean abort) {
        producer.flush();
        if (abort) {
            producer.abortTransaction();
        } else {
            producer.commitTransaction();
        }
    }

    /** DeleteRecords in the middle of a segment, and behind whole ones. */
    private void deletedRecords() throws Exception {
        try (var producer = plain(Map.of())) {
            for (int i = 0; i < 40; i++) {
                for (int partition = 0; partition < 2; partition++) {
                    long timestamp = LONG_AGO + round * 600_000L + i * (1 + 9_000L * partition);
                    producer.send(record("deleted-records", partition, timestamp, "k" + i, "round " + round + " record " + i));
                }
                producer.flush();
            }
        }
        var before = new TopicPartition("deleted-records", 0);
        var behind = new TopicPartition("deleted-records", 1);
        admin.deleteRecords(Map.of(
                        before, RecordsToDelete.beforeOffset(round * 40L + 17),
                        behind, RecordsToDelete.beforeOffset(round * 40L + 25)))
                .all()
                .get(30, TimeUnit.SECONDS);
    }

    /** One that goes for good, and one that comes back as another with the same name. */
    private void deletedTopics() throws Exception {
        Set<String> there = admin.listTopics().names().get(30, TimeUnit.SECONDS);
        if (there.contains("again")) {
            admin.deleteTopics(Set.of("again")).all().get(30, TimeUnit.SECONDS);
        }
        String gone = "gone-" + round;
        admin.createTopics(List.of(topic(gone, 2, Map.of()), topic("again", 1, Map.of("retention.ms", "-1"))))
                .all()
                .get(30, TimeUnit.SECONDS);
        try (var producer = plain(Map.of())) {
            producer.send(record(gone, 1, LONG_AGO, null, "round " + round)).get();
            for (int i = 0; i <= round; i++) {
                producer.send(record("again", 0, LONG_AGO, "again", "round " + round)).get();
            }
        }
        admin.deleteTopics(Set.of(gone)).all().get(30, TimeUnit.SECONDS);
    }

    /** A replica goes to the other log directory. */
    private void moves() throws Exception {
        var replica = new TopicPartitionReplica("segments", round % 2, 1);
        var partition = new TopicPartition(replica.topic(), replica.partition());
        String from = directories(partition).get(0);
        String to = admin.describeLogDirs(List.of(1)).allDescriptions().get(30, TimeUnit.SECONDS).get(1).keySet().stream()
                .filter(dir -> !dir.equals(from))
                .findFirst()
                .orElseThrow();
        admin.alterReplicaLogDirs(Map.of(replica, to)).all().get(30, TimeUnit.SECONDS);
        for (long end = System.nanoTime() + 30_000_000_000L; !directories(partition).equals(List.of(to)); Thread.sleep(50)) {
            if (System.nanoTime() > end) {
                throw new IllegalStateException(replica + " does not move from " + from + " to " + to);
            }
        }
    }

    /** Where a replica lies; while it moves, both. */
    private List<String> directories(TopicPartition partition) throws Exception {
        List<String> found = new ArrayList<>();
        admin.describeLogDirs(List.of(1)).allDescriptions().get(30, TimeUnit.SECONDS).get(1).forEach((path, dir) -> {
            if (dir.replicaInfos().containsKey(partition)) {
                found.add(path);
            }
        });
        return found;
    }

    private KafkaConsumer<byte[], byte[]> consumer(String group) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("group.id", group);
        properties.put("enable.auto.commit", false);
        properties.put("auto.offset.reset", "earliest");
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Groups with members that leave, commits without a group, offsets that are deleted, groups that are deleted. */
    private void groups() throws Exception {
        try (var consumer = consumer("subscribed")) {
            consumer.subscribe(List.of("codecs", "segments"));
            Set<TopicPartition> seen = new HashSet<>();
            for (long end = System.nanoTime() + 20_000_000_000L; seen.size() < 3 && System.nanoTime() < end; ) {
                seen.addAll(consumer.poll(Duration.ofMillis(100)).partitions());
            }
            consumer.commitSync(offsets(consumer.assignment(), 3 + round, null));
        }
        try (var consumer = consumer("assigned")) {
            consumer.assign(List.of(new TopicPartition("idempotent", 0), new TopicPartition("idempotent", 1)));
            consumer.commitSync(offsets(consumer.assignment(), 10 + round, "metadata of round " + round));
        }
        try (var consumer = consumer("gone-" + round)) {
            consumer.assign(List.of(new TopicPartition("idempotent", 0)));
            consumer.commitSync(offsets(consumer.assignment(), 1, null));
        }
        Map<TopicPartition, OffsetAndMetadata> altered = offsets(List.of(new TopicPartition("codecs", 1)), 5, "altered");
        admin.alterConsumerGroupOffsets("altered-" + round, altered).all().get(30, TimeUnit.SECONDS);
        admin.deleteConsumerGroups(List.of("gone-" + round)).all().get(30, TimeUnit.SECONDS);
        if (round > 0) {
            admin.deleteConsumerGroupOffsets("altered-" + (round - 1), Set.of(new TopicPartition("codecs", 1)))
                    .all()
                    .get(30, TimeUnit.SECONDS);
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(Collection<TopicPartition> of, long offset, String metadata) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        of.forEach(partition -> offsets.put(partition, new OffsetAndMetadata(offset, Optional.of(0), metadata == null ? "" : metadata)));
        return offsets;
    }

    private void configs() throws Exception {
        var empty = new ConfigResource(ConfigResource.Type.TOPIC, "empty");
        var brokers = new ConfigResource(ConfigResource.Type.BROKER, "");
        Map<ConfigResource, Collection<AlterConfigOp>> changes = new HashMap<>();
        changes.put(empty, List.of(
                set("max.message.bytes", String.valueOf(1_000_000 + round)),
                new AlterConfigOp(new ConfigEntry("compression.type", null), AlterConfigOp.OpType.DELETE)));
        changes.put(brokers, List.of(set("message.max.bytes", String.valueOf(2_000_000 + round))));
        admin.incrementalAlterConfigs(changes).all().get(30, TimeUnit.SECONDS);
        if (round == 1) {
            admin.createPartitions(Map.of("empty", NewPartitions.increaseTo(5))).all().get(30, TimeUnit.SECONDS);
        }
    }

    private static AlterConfigOp set(String key, String value) {
        return new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET);
    }

    /** Committed, aborted, interleaved, with offsets; and one that is left open, which the next round with transactions ends. */
    private void transactions() throws Exception {
        Map<String, Object> first = Map.of("transactional.id", "first");
        Map<String, Object> second = Map.of("transactional.id", "second", "compression.type", "gzip");
        try (var one = producer(first); var two = producer(second)) {
            one.initTransactions();
            two.initTransactions();
            for (int i = 0; i < 15; i++) {
                long timestamp = recently + round * 60_000L + i * 4_000L;
                one.beginTransaction();
                two.beginTransaction();
                for (int j = 0; j < 3; j++) {
                    one.send(record("transactions", j % 2, timestamp, "one", "round " + round + "/" + i + "/" + j)).get();
                    two.send(record("transactions", 0, timestamp, "two", "round " + round + "/" + i + "/" + j)).get();
                }
                if (i == 5 || i == 6) { // one that is aborted, one that is committed
                    var offsets = offsets(List.of(new TopicPartition("codecs", i - 5)), 20 + round, "in a transaction");
                    try (var consumer = consumer("transactional")) {
                        one.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                    }
                }
                finish(two, i % 4 == 2);
                finish(one, i % 4 == 1);
            }
        }
        var open = producer(Map.of("transactional.id", "open", "transaction.timeout.ms", 900_000));
        open.initTransactions(); // aborts the one of the round before
        open.beginTransaction();
        open.send(record("transactions", 1, recently + round * 60_000L + 59_000, "open", "round " + round)).get();
        open.close(Duration.ZERO);
    }

    /** What a broker has to keep although it may not serve it. */
    private void metadataOfOthers() throws Exception {
        var entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, "user-" + round));
        var quota = new ClientQuotaAlteration.Op("producer_byte_rate", 1_000_000.0 + round);
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(quota)))).all().get(30, TimeUnit.SECONDS);
        var credential = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
        admin.alterUserScramCredentials(List.of(
                        new UserScramCredentialUpsertion("user-" + round, credential, bytes("secret"), bytes("salt of a user"))))
                .all()
                .get(30, TimeUnit.SECONDS);
    }
}
