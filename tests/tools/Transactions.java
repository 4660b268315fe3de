import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Writes transactions to a topic, so that there are files with them: committed ones with offsets of a group, and an aborted
 * one. Arguments: the broker's address and the topic.
 */
public final class Transactions {
    private static final String[] ENDS = {"commit", "abort", "commit"};

    public static void main(String[] args) throws Exception {
        Map<String, Object> config = Map.of(
                "bootstrap.servers", args[0],
                "transactional.id", "ledger",
                "key.serializer", StringSerializer.class.getName(),
                "value.serializer", StringSerializer.class.getName());
        KafkaProducer<String, String> producer = new KafkaProducer<>(config);
        producer.initTransactions();
        for (String end : ENDS) {
            producer.beginTransaction();
            for (String value : List.of("first of ", "second of ")) {
                producer.send(new ProducerRecord<>(args[1], end, value + end)).get();
                // So that a segment of a millisecond is over.
                Thread.sleep(20);
            }
            if (end.equals("commit")) {
                producer.sendOffsetsToTransaction(
                        Map.of(new TopicPartition(args[1], 0), new OffsetAndMetadata(1)),
                        new ConsumerGroupMetadata("ledger-readers", -1, "", Optional.empty()));
                producer.commitTransaction();
            } else {
                producer.abortTransaction();
            }
            Thread.sleep(20);
        }
        producer.close();
        System.out.println("written");
    }
}
