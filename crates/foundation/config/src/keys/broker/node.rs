//! Node, roles and start: who this node is, what it does and how it starts and stops.

use crate::key::Importance::{High, Low, Medium};
use crate::key::{ConfigKey, boolean, int, list, long, string};
use crate::validator::Validator;

pub(super) const KEYS: &[ConfigKey] = &[
    list("process.roles", High)
        .required()
        .each_of(&["broker", "controller"])
        .not_empty()
        .effective()
        .doc("What this node does: `broker`, `controller` or both, separated by commas."),
    int("node.id", High)
        .required()
        .at_least(0)
        .effective()
        .doc("Number of this node, unique in the cluster among brokers and controllers alike."),
    int("broker.id", High)
        .default("-1")
        .deprecated()
        .effective()
        .doc("Older name of `node.id`; where both are set they must agree."),
    string("broker.rack", Medium)
        .effective()
        .doc("Rack, zone or other failure domain of this broker; replicas are spread over racks."),
    int("broker.heartbeat.interval.ms", Medium)
        .default("2000")
        .effective()
        .doc("Milliseconds between the heartbeats a broker sends to the active controller."),
    int("broker.session.timeout.ms", Medium)
        .default("9000")
        .effective()
        .doc("Milliseconds without a heartbeat after which the controller fences a broker."),
    int("initial.broker.registration.timeout.ms", Medium)
        .default("60000")
        .effective()
        .doc("Milliseconds a starting broker tries to register with the controller before it gives up."),
    boolean("controlled.shutdown.enable", Medium)
        .default("true")
        .effective()
        .doc("Whether a stopping broker first hands its leaderships over and tells the controller that it goes."),
    long("server.max.startup.time.ms", Medium)
        .default("9223372036854775807")
        .at_least(0)
        .internal()
        .doc("Milliseconds a start may take before the node gives up and exits."),
    int("background.threads", High)
        .default("10")
        .at_least(1)
        .cluster_wide()
        .doc("Threads for background chores. Klamm's chores share the runtime's threads."),
    int("num.io.threads", High)
        .default("8")
        .at_least(1)
        .cluster_wide()
        .doc("Threads that process requests. Klamm runs as many worker threads as the machine has cores."),
    boolean("unstable.api.versions.enable", High)
        .default("false")
        .internal()
        .effective()
        .doc("Whether API versions that are still in development are offered."),
    boolean("unstable.feature.versions.enable", High)
        .default("false")
        .internal()
        .effective()
        .doc("Whether feature levels that are still in development may be chosen."),
    list("config.providers", Low)
        .default("")
        .distinct()
        .cluster_wide()
        .refused()
        .doc(
            "Java classes that would resolve `${provider:path:key}` in values; refused, so that no placeholder \
             passes for a value.",
        ),
    int("request.timeout.ms", High)
        .default("30000")
        .effective()
        .doc("Milliseconds a request to another node may take before it fails or is tried again."),
    boolean("delete.topic.enable", High)
        .default("true")
        .effective()
        .doc("Whether topics may be deleted."),
    int("max.request.partition.size.limit", Medium)
        .default("2000")
        .at_least(1)
        .effective()
        .doc("Most partitions one DescribeTopicPartitions answer carries."),
    int("max.incremental.fetch.session.cache.slots", Medium)
        .default("1000")
        .at_least(0)
        .effective()
        .doc("Fetch sessions the broker keeps; 0 turns incremental fetch sessions off."),
    int("fetch.max.bytes", Medium)
        .default("57671680")
        .at_least(1024)
        .effective()
        .doc("Most bytes one Fetch answer carries, however much the client asks for; at least 1024."),
    int("message.max.bytes", High)
        .default("1048588")
        .at_least(0)
        .cluster_wide()
        .effective()
        .doc("Largest record batch, compressed, that a topic takes unless the topic says otherwise."),
    int("max.decompressed.message.bytes", Medium)
        .default("2147483639")
        .between(1.0, 2147483639.0)
        .cluster_wide()
        .effective()
        .doc("Most bytes one record batch may unpack to when the broker has to look inside."),
    string("compression.type", High)
        .default("producer")
        .one_of(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"])
        .cluster_wide()
        .effective()
        .doc("Codec of stored batches unless the topic says otherwise; `producer` keeps what the producer chose."),
    int("compression.gzip.level", Medium)
        .default("-1")
        .validator(Validator::RangeOr { min: 1, max: 9, or: -1 })
        .cluster_wide()
        .effective()
        .doc("Level of gzip when the broker itself compresses; -1 is the library's own default."),
    int("compression.lz4.level", Medium)
        .default("9")
        .between(1.0, 17.0)
        .cluster_wide()
        .effective()
        .doc("Level of lz4 when the broker itself compresses."),
    int("compression.zstd.level", Medium)
        .default("3")
        .between(-131072.0, 22.0)
        .cluster_wide()
        .effective()
        .doc("Level of zstd when the broker itself compresses."),
    int("num.replica.alter.log.dirs.threads", High)
        .effective()
        .doc("Threads that move replicas between log directories; unset means one for each directory."),
    list("early.start.listeners", High).distinct().doc(
        "Listeners that take connections before the authorizer is ready; unset means the controller \
             listeners.",
    ),
    string("authorizer.class.name", Low)
        .default("")
        .validator(Validator::NonNull)
        .refused()
        .doc(
            "Class that decides who may do what. Authorization is not there yet: anything but empty refuses to \
             start.",
        ),
    long("socket.connection.setup.timeout.ms", Medium)
        .default("10000")
        .doc("Milliseconds a connection to another node may take to come up at the first try."),
    long("socket.connection.setup.timeout.max.ms", Medium)
        .default("30000")
        .doc("Upper limit of that time as it doubles with every failed try."),
    int("add.partitions.to.txn.retry.backoff.ms", High)
        .default("20")
        .at_least(1)
        .doc("Milliseconds between the broker's own tries to add a partition to a transaction."),
    int("add.partitions.to.txn.retry.backoff.max.ms", High)
        .default("100")
        .at_least(0)
        .doc("Milliseconds after which those tries end and the producer is told to try itself."),
];
