import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartition;

/** What the newest Java client says in other words than old ones, or has on top of them. */
final class Version {
    private Version() {}

    static TopicDescription describe(Admin admin, String topic) throws ExecutionException, InterruptedException {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    static String state(ConsumerGroupDescription description) {
        return description.groupState().name();
    }

    static void describeQuorum(Admin admin) throws Exception {
        Suite.equal(1, admin.describeMetadataQuorum().quorumInfo().get().voters().size(), "voters");
    }

    static void listGreatestTimestamp(Admin admin, TopicPartition partition, long offset) throws Exception {
        Suite.equal(offset, admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition).get().offset(), "offset of the greatest timestamp");
    }
}
