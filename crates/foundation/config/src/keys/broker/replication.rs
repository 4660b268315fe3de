//! Replication: copies of partitions on other brokers, leaders and their election.

use crate::key::Importance::{High, Medium};
use crate::key::{ConfigKey, boolean, int, long, string};

pub(super) const KEYS: &[ConfigKey] = &[
    int("default.replication.factor", Medium)
        .default("1")
        .effective()
        .doc("Copies of a topic whose creator does not say how many."),
    string("inter.broker.listener.name", Medium)
        .effective()
        .doc("Listener that brokers use among themselves; unset takes the one of `security.inter.broker.protocol`."),
    string("security.inter.broker.protocol", Medium)
        .default("PLAINTEXT")
        .one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
        .effective()
        .doc("Security protocol that brokers use among themselves; not together with `inter.broker.listener.name`."),
    int("controller.socket.timeout.ms", Medium)
        .default("30000")
        .doc("Milliseconds a connection between controller and broker may stay silent."),
    long("replica.lag.time.max.ms", High)
        .default("30000")
        .doc("Milliseconds a follower may lag before it leaves the in-sync replicas."),
    int("replica.socket.timeout.ms", High)
        .default("30000")
        .doc("Milliseconds a follower's fetch may take; at least `replica.fetch.wait.max.ms`."),
    int("replica.socket.receive.buffer.bytes", High)
        .default("65536")
        .doc("Receive buffer of a follower's connection to its leader."),
    int("replica.fetch.max.bytes", Medium)
        .default("1048576")
        .at_least(0)
        .doc("Bytes a follower asks for of each partition; the first batch comes whole even if larger."),
    int("replica.fetch.wait.max.ms", High)
        .default("500")
        .doc("Milliseconds a leader may hold a follower's fetch; below `replica.lag.time.max.ms`."),
    int("replica.fetch.min.bytes", High)
        .default("1")
        .doc("Bytes a leader waits for before it answers a follower's fetch."),
    int("replica.fetch.response.max.bytes", Medium)
        .default("10485760")
        .at_least(0)
        .doc("Bytes a follower asks for in one fetch; the first batch comes whole even if larger."),
    int("replica.fetch.backoff.ms", Medium)
        .default("1000")
        .at_least(0)
        .doc("Milliseconds a follower waits after a failed fetch of a partition."),
    int("num.replica.fetchers", High)
        .default("1")
        .at_least(1)
        .cluster_wide()
        .doc("Fetchers a broker runs for each broker it follows."),
    long("replica.high.watermark.checkpoint.interval.ms", High)
        .default("5000")
        .doc("Milliseconds between writes of the checkpoint of high watermarks."),
    string("replica.selector.class", Medium)
        .doc("Java class that picks the replica a consumer reads from; the leader serves all reads."),
    int("fetch.purgatory.purge.interval.requests", Medium)
        .default("1000")
        .doc("Requests between clean-ups of waiting fetches. Klamm drops a waiting request when it is answered."),
    int("producer.purgatory.purge.interval.requests", Medium)
        .default("1000")
        .doc("Requests between clean-ups of waiting produces. Klamm drops a waiting request when it is answered."),
    int("delete.records.purgatory.purge.interval.requests", Medium)
        .default("1")
        .doc(
            "Requests between clean-ups of waiting deletions of records. Klamm drops a waiting request when it is \
             answered.",
        ),
    boolean("auto.leader.rebalance.enable", High)
        .default("true")
        .doc("Whether leaderships move back to preferred replicas by themselves."),
    long("leader.imbalance.check.interval.seconds", High)
        .default("300")
        .at_least(1)
        .doc("Seconds between the looks for leaderships that should move back."),
    boolean("unclean.leader.election.enable", High)
        .default("false")
        .cluster_wide()
        .effective()
        .doc("Whether a replica outside the in-sync ones may lead when no other is left; may lose records."),
    long("unclean.leader.election.interval.ms", Medium)
        .default("300000")
        .at_least(1)
        .internal()
        .doc("Milliseconds between the looks for partitions that need such an election."),
    boolean("follower.fetch.last.tiered.offset.enable", Medium)
        .default("false")
        .cluster_wide()
        .doc("Whether a new follower starts at the last offset in tiered storage."),
];
