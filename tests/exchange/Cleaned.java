import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Waits for the cleaner. */
final class Cleaned {
    /** The active segment of a topic here is never larger than this, in offsets: what lies before it is cleaned in the end. */
    private static final int ACTIVE = 12;

    private final String bootstrap;

    Cleaned(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /** Returns when no key is twice in partition 0 of a topic but in its last records, and stays so. */
    void await(String topic) throws Exception {
        long deadline = System.nanoTime() + 30_000_000_000L;
        for (long before = -1, now = count(topic); ; before = now, now = count(topic)) {
            if (now >= 0 && now == before) {
                return;
            }
            if (System.nanoTime() > deadline) {
                throw new IllegalStateException(topic + " is not cleaned");
            }
            Thread.sleep(1_000);
        }
    }

    /** Records in the topic; -1 when a key is twice in the part that can be cleaned. */
    private long count(String topic) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("enable.auto.commit", false);
        var partition = new TopicPartition(topic, 0);
        Map<String, Long> last = new HashMap<>();
        long count = 0;
        boolean twice = false;
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    count++;
                    Long earlier = last.put(new String(record.key()), record.offset());
                    twice |= earlier != null && record.offset() < end - ACTIVE;
                }
            }
        }
        return twice ? -1 : count;
    }
}
