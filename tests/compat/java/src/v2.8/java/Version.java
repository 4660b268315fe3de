import java.util.List;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartition;

/** What kafka-clients 2.8 says in other words than the newest, or does not have yet. */
final class Version {
    private Version() {}

    static TopicDescription describe(Admin admin, String topic) throws ExecutionException, InterruptedException {
        return admin.describeTopics(List.of(topic)).all().get().get(topic);
    }

    static String state(ConsumerGroupDescription description) {
        return description.state().name();
    }

    static void describeQuorum(Admin admin) {}

    static void listGreatestTimestamp(Admin admin, TopicPartition partition, long offset) {}
}
