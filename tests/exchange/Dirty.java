import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringSerializer;

/** A topic of what compaction takes away, which is not compacted before it is told. */
final class Dirty {
    private static final String TOPIC = "dirty";
    /** Segments end with the next record when they are older than this; tombstones and markers may go a little later. */
    private static final long SEGMENT_MS = 1_000;

    private Dirty() {}

    /** Keys that come again, tombstones, and transactions of which all, some or nothing stays, committed and aborted. */
    static void fill(String bootstrap) throws Exception {
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            var topic = new NewTopic(TOPIC, 1, (short) 1).configs(Map.of(
                    "segment.ms", Long.toString(SEGMENT_MS),
                    "min.cleanable.dirty.ratio", "0.01",
                    "delete.retention.ms", "1500",
                    "retention.ms", "-1"));
            admin.createTopics(List.of(topic)).all().get(30, TimeUnit.SECONDS);
        }
        try (var plain = producer(bootstrap, Map.of("enable.idempotence", false));
                var idempotent = producer(bootstrap, Map.of("compression.type", "lz4"));
                var first = producer(bootstrap, Map.of("transactional.id", "first"));
                var second = producer(bootstrap, Map.of("transactional.id", "second"));
                var third = producer(bootstrap, Map.of("transactional.id", "third"))) {
            for (var producer : List.of(first, second, third)) {
                producer.initTransactions();
            }
            for (int i = 0; i < 40; i++) {
                send(idempotent, "k" + i % 11, i % 6 == 5 ? null : "idempotent " + i);
                send(plain, "k" + i % 13, i % 9 == 8 ? null : "plain " + i);
            }
            idempotent.flush();
            // Of one transaction after the other: aborted, overwritten, with tombstones, aborted across a segment's end, kept.
            transaction(first, false, "k1", "k2");
            transaction(second, true, "k1", "k3");
            transaction(first, true, "a", "b", "-c");
            second.beginTransaction();
            send(second, "k5", "across");
            second.flush();
            Thread.sleep(SEGMENT_MS + 200);
            transaction(third, true, "stays", "-k4");
            send(second, "k6", "across");
            second.abortTransaction();
            transaction(first, true, "-a", "b");
            transaction(second, true, "b", "a");
            transaction(second, false, "b");
            send(plain, "a", "last");
            send(plain, "b", null);
            plain.flush();
        }
        more(bootstrap);
    }

    /** From now on it is compacted. */
    static void compact(String bootstrap) throws Exception {
        try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", bootstrap))) {
            var topic = new ConfigResource(ConfigResource.Type.TOPIC, TOPIC);
            var set = new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.SET);
            admin.incrementalAlterConfigs(Map.of(topic, List.of(set))).all().get(30, TimeUnit.SECONDS);
        }
    }

    /** Ends the last segment, when what may go by then may go. */
    static void more(String bootstrap) throws Exception {
        Thread.sleep(2 * SEGMENT_MS);
        try (var producer = producer(bootstrap, Map.of("enable.idempotence", false))) {
            send(producer, "end", "of a segment");
        }
    }

    private static KafkaProducer<String, String> producer(String bootstrap, Map<String, Object> more) {
        var properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("linger.ms", 5);
        properties.putAll(more);
        return new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer());
    }

    /** A key that begins with a dash stands for the tombstone of the rest. */
    private static void transaction(KafkaProducer<String, String> producer, boolean commit, String... keys) {
        producer.beginTransaction();
        for (String key : keys) {
            send(producer, key.startsWith("-") ? key.substring(1) : key, key.startsWith("-") ? null : "in a transaction");
        }
        producer.flush();
        if (commit) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    private static void send(KafkaProducer<String, String> producer, String key, String value) {
        producer.send(new ProducerRecord<>(TOPIC, 0, key, value));
    }
}
