import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Numbers to the topic `load`, as fast as they go, until the broker is gone. */
final class Load {
    private static final TopicPartition PARTITION = new TopicPartition("load", 0);

    private final BitSet acknowledged = new BitSet();
    private final AtomicBoolean ended = new AtomicBoolean();
    private final KafkaProducer<byte[], byte[]> producer;
    private final Thread thread;
    private final int first;

    Load(String bootstrap) throws Exception {
        first = (int) (next(bootstrap));
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrap, "acks", "all", "delivery.timeout.ms", 5_000, "request.timeout.ms", 2_000,
                "buffer.memory", 2_000_000, "max.block.ms", 2_000);
        producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        thread = new Thread(this::run);
        thread.start();
        while (true) {
            synchronized (acknowledged) {
                if (acknowledged.cardinality() > 2_000) {
                    break;
                }
            }
            if (!thread.isAlive()) {
                throw new IllegalStateException("nothing is acknowledged");
            }
            Thread.sleep(1);
        }
    }

    private void run() {
        for (int number = first; !ended.get() && number < first + 500_000; number++) {
            int sent = number;
            byte[] value = ByteBuffer.allocate(100).putInt(number).array();
            try {
                producer.send(new ProducerRecord<>("load", value), (where, error) -> {
                    if (error == null) {
                        synchronized (acknowledged) {
                            acknowledged.set(sent);
                        }
                    } else {
                        ended.set(true);
                    }
                });
            } catch (RuntimeException gone) {
                return;
            }
        }
    }

    /** The number after the last one in the topic. */
    private static long next(String bootstrap) throws Exception {
        BitSet there = read(bootstrap);
        return there.length();
    }

    void check(String bootstrap) throws Exception {
        ended.set(true);
        thread.join();
        producer.close(Duration.ZERO);
        BitSet there = read(bootstrap);
        BitSet missing = (BitSet) acknowledged.clone();
        missing.andNot(there);
        if (!missing.isEmpty()) {
            throw new IllegalStateException(missing.cardinality() + " acknowledged records are missing, first " + missing.nextSetBit(0));
        }
        if (there.nextClearBit(0) < there.length()) {
            throw new IllegalStateException("record " + there.nextClearBit(0) + " is missing before others of its producer");
        }
    }

    private static BitSet read(String bootstrap) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("enable.auto.commit", false);
        BitSet found = new BitSet();
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(PARTITION));
            consumer.seekToBeginning(List.of(PARTITION));
            long end = consumer.endOffsets(List.of(PARTITION)).get(PARTITION);
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (consumer.position(PARTITION) < end) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    int number = ByteBuffer.wrap(record.value()).getInt();
                    if (found.get(number)) {
                        throw new IllegalStateException("record " + number + " is there twice");
                    }
                    found.set(number);
                }
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("read no further than " + consumer.position(PARTITION) + " of " + end);
                }
            }
        }
        return found;
    }
}
