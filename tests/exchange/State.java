import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.zip.CRC32;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** All that clients can see of a cluster, as lines: the same before a change of brokers and after it. */
final class State {
    private static final Comparator<TopicPartition> BY_NAME =
            Comparator.comparing(TopicPartition::topic).thenComparing(TopicPartition::partition);

    private final String bootstrap;
    private final boolean isApache;
    private final List<String> lines = new ArrayList<>();
    private final Map<TopicPartition, Long> ends = new HashMap<>();

    /** `isApache`: the broker serves transactions, quotas and users, which are told too, on lines that begin with `apache`. */
    State(String bootstrap, boolean isApache) {
        this.bootstrap = bootstrap;
        this.isApache = isApache;
    }

    List<String> lines() throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            List<TopicPartition> partitions = topics(admin);
            configs(admin);
            offsets(admin, partitions);
            producers(admin, partitions);
            groups(admin);
            if (isApache) {
                ofApache(admin);
            }
            Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> all = read(partitions, "read_uncommitted");
            all.keySet().removeIf(State::isCompacted);
            all.values().forEach(records -> records.forEach(this::add));
            times(admin, all);
            read(partitions, "read_committed").forEach((partition, records) -> {
                if (isCompacted(partition)) {
                    latest(records).values().forEach(this::add);
                } else {
                    records.forEach(record -> lines.add("committed " + partition + " " + record.offset()));
                }
            });
        }
        return lines;
    }

    private static <T> T get(org.apache.kafka.common.KafkaFuture<T> future) throws Exception {
        return future.get(30, TimeUnit.SECONDS);
    }

    private List<TopicPartition> topics(Admin admin) throws Exception {
        lines.add("cluster " + get(admin.describeCluster().clusterId()));
        var names = new TreeSet<>(get(admin.listTopics().names()));
        var partitions = new ArrayList<TopicPartition>();
        for (var topic : new TreeMap<>(get(admin.describeTopics(names).allTopicNames())).values()) {
            lines.add("topic " + topic.name() + " " + topic.topicId() + " " + topic.partitions().size());
            topic.partitions().forEach(partition -> {
                lines.add("partition " + topic.name() + "-" + partition.partition() + " leader " + partition.leader().id()
                        + " replicas " + partition.replicas().size() + " isr " + partition.isr().size());
                // Where load goes on while a broker is killed nobody knows what was last.
                if (!topic.name().equals("load")) {
                    partitions.add(new TopicPartition(topic.name(), partition.partition()));
                }
            });
        }
        var dirs = new TreeSet<String>();
        get(admin.describeLogDirs(List.of(1)).allDescriptions()).get(1).forEach((path, dir) -> dir.replicaInfos()
                .forEach((partition, replica) -> dirs.add("directory of " + partition + " " + path + " " + replica.isFuture())));
        lines.addAll(dirs);
        return partitions;
    }

    private void configs(Admin admin) throws Exception {
        var resources = new ArrayList<ConfigResource>();
        for (String topic : new TreeSet<>(get(admin.listTopics().names()))) {
            resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic));
        }
        resources.add(new ConfigResource(ConfigResource.Type.BROKER, ""));
        var values = get(admin.describeConfigs(resources).all());
        for (var resource : resources) {
            values.get(resource).entries().stream()
                    .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG
                            || entry.source() == ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG
                                    && resource.type() == ConfigResource.Type.BROKER)
                    .map(entry -> "config " + resource.name() + " " + entry.name() + "=" + entry.value())
                    .sorted()
                    .forEach(lines::add);
        }
    }

    private void offsets(Admin admin, List<TopicPartition> partitions) throws Exception {
        offsets(admin, partitions, "latest READ_UNCOMMITTED", partition -> OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED);
        var specs = new TreeMap<String, OffsetSpec>();
        specs.put("earliest", OffsetSpec.earliest());
        specs.put("earliest-local", OffsetSpec.earliestLocal());
        specs.put("latest-tiered", OffsetSpec.latestTiered());
        specs.put("latest", OffsetSpec.latest());
        specs.put("max-timestamp", OffsetSpec.maxTimestamp());
        for (var spec : specs.entrySet()) {
            for (var isolation : IsolationLevel.values()) {
                offsets(admin, partitions, spec.getKey() + " " + isolation.name(), partition -> spec.getValue(), isolation);
            }
        }
    }

    private void offsets(
            Admin admin,
            Collection<TopicPartition> partitions,
            String name,
            java.util.function.Function<TopicPartition, OffsetSpec> spec,
            IsolationLevel isolation)
            throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        // The internal topics are written to by brokers themselves.
        partitions.stream().filter(partition -> !partition.topic().startsWith("__")).forEach(partition ->
                asked.put(partition, spec.apply(partition)));
        var found = new TreeMap<TopicPartition, Object>(BY_NAME);
        get(admin.listOffsets(asked, new ListOffsetsOptions(isolation)).all()).forEach((partition, offset) -> {
            // Where there is no record yet, the epoch is the leader's, who may be a new one.
            boolean isEnd = name.startsWith("latest") || offset.offset() >= ends.getOrDefault(partition, Long.MAX_VALUE);
            found.put(partition, offset.offset() + " at " + offset.timestamp() + (isEnd ? "" : " epoch " + offset.leaderEpoch()));
            if (name.equals("latest READ_UNCOMMITTED")) {
                ends.put(partition, offset.offset());
            }
        });
        found.forEach((partition, offset) -> lines.add("offset " + name + " " + partition + " " + offset));
    }

    /** Looks up some of the records' own timestamps, and those around them. */
    private void times(Admin admin, Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> all) throws Exception {
        var partitions = all.keySet();
        for (int step = 0; step <= 10; step++) {
            for (int shift = -1; shift <= 1; shift++) {
                var times = new TreeMap<TopicPartition, Long>(BY_NAME);
                for (var entry : all.entrySet()) {
                    var records = entry.getValue();
                    if (!records.isEmpty()) {
                        times.put(entry.getKey(), records.get((records.size() - 1) * step / 10).timestamp() + shift);
                    }
                }
                offsets(admin, times.keySet(), "at " + step + "/" + shift,
                        partition -> OffsetSpec.forTimestamp(times.get(partition)), IsolationLevel.READ_UNCOMMITTED);
            }
        }
    }

    private void producers(Admin admin, List<TopicPartition> partitions) throws Exception {
        var user = partitions.stream().filter(partition -> !partition.topic().startsWith("__")).toList();
        var found = new TreeSet<String>();
        get(admin.describeProducers(user).all()).forEach((partition, state) -> state.activeProducers().forEach(producer ->
                found.add("producer " + partition + " " + producer.producerId() + " epoch " + producer.producerEpoch()
                        + " sequence " + producer.lastSequence() + " at " + producer.lastTimestamp() + " coordinator "
                        + producer.coordinatorEpoch() + " transaction from " + producer.currentTransactionStartOffset())));
        lines.addAll(found);
    }

    private void groups(Admin admin) throws Exception {
        var groups = new TreeMap<String, String>();
        get(admin.listGroups().all()).forEach(group ->
                groups.put(group.groupId(), group.type() + " " + group.groupState() + " `" + group.protocol() + "`"));
        for (String group : groups.keySet()) {
            var offsets = new TreeSet<String>();
            get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).forEach((partition, offset) ->
                    offsets.add("committed by " + group + " " + partition + " " + offset));
            // One that has no offsets any more is there only as long as its coordinator remembers it.
            if (!offsets.isEmpty()) {
                lines.add("group " + group + " " + groups.get(group));
                lines.addAll(offsets);
            }
        }
    }

    private void ofApache(Admin admin) throws Exception {
        var found = new TreeSet<String>();
        get(admin.describeClientQuotas(ClientQuotaFilter.all()).entities()).forEach((entity, quotas) ->
                found.add("apache quota " + entity + " " + quotas));
        get(admin.describeUserScramCredentials().all()).forEach((user, credentials) ->
                found.add("apache user " + credentials));
        get(admin.describeFeatures().featureMetadata()).finalizedFeatures().forEach((feature, levels) ->
                found.add("apache feature " + feature + " " + levels));
        var transactions = get(admin.listTransactions().all()).stream().map(listing -> listing.transactionalId()).toList();
        get(admin.describeTransactions(transactions).all()).forEach((id, transaction) ->
                found.add("apache transaction " + id + " " + transaction));
        lines.addAll(found);
    }

    /** Everything from the first offset to the last that the isolation level shows. */
    private Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> read(List<TopicPartition> all, String isolation) {
        var partitions = all.stream().filter(partition -> !partition.topic().startsWith("__")).toList();
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("isolation.level", isolation);
        properties.put("enable.auto.commit", false);
        var records = new TreeMap<TopicPartition, List<ConsumerRecord<byte[], byte[]>>>(BY_NAME);
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            var ends = consumer.endOffsets(partitions);
            partitions.forEach(partition -> records.put(partition, new ArrayList<>()));
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                if (System.nanoTime() > deadline) {
                    partitions.stream().filter(partition -> consumer.position(partition) < ends.get(partition)).forEach(partition ->
                            lines.add("read no further " + partition + " " + isolation + ": " + consumer.position(partition)));
                    break;
                }
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    records.get(new TopicPartition(record.topic(), record.partition())).add(record);
                }
            }
        }
        return records;
    }

    /** Compaction goes on in the background: only the last record of each key has to be there. */
    private static boolean isCompacted(TopicPartition partition) {
        return partition.topic().startsWith("compacted");
    }

    private static Map<String, ConsumerRecord<byte[], byte[]>> latest(List<ConsumerRecord<byte[], byte[]>> records) {
        var latest = new TreeMap<String, ConsumerRecord<byte[], byte[]>>();
        records.forEach(record -> latest.put(new String(record.key(), StandardCharsets.UTF_8), record));
        return latest;
    }

    private void add(ConsumerRecord<byte[], byte[]> record) {
        StringBuilder line = new StringBuilder("record " + record.topic() + "-" + record.partition() + " " + record.offset() + " "
                + record.timestampType() + " " + record.timestamp() + " epoch " + record.leaderEpoch().orElse(-1)
                + " " + show(record.key()) + " = " + show(record.value()));
        for (Header header : record.headers()) {
            line.append(", ").append(header.key()).append(": ").append(show(header.value()));
        }
        lines.add(line.toString());
    }

    private static String show(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        if (bytes.length <= 40) {
            return "`" + new String(bytes, StandardCharsets.UTF_8) + "`";
        }
        CRC32 crc = new CRC32();
        crc.update(bytes);
        return bytes.length + " bytes, crc " + Long.toHexString(crc.getValue());
    }
}
