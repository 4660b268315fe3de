//! Tiered storage. Old segments in remote storage. It is not there yet; switching it on refuses to start.

use crate::key::Importance::{Low, Medium};
use crate::key::{ConfigKey, boolean, double, int, long, string};
use crate::validator::Validator;

pub(super) const KEYS: &[ConfigKey] = &[
    boolean("remote.log.storage.system.enable", Medium)
        .default("false")
        .refused()
        .doc("Whether tiered storage is on for the cluster. It is not there yet: `true` refuses to start."),
    string("remote.log.storage.manager.class.name", Medium)
        .validator(Validator::NonEmptyString)
        .doc("Java class that stores segments remotely."),
    string("remote.log.storage.manager.class.path", Medium).doc("Class path of that class."),
    string("remote.log.storage.manager.impl.prefix", Medium)
        .default("rsm.config.")
        .validator(Validator::NonEmptyString)
        .doc("Prefix of the settings handed to that class."),
    string("remote.log.metadata.manager.class.name", Medium)
        .default("org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager")
        .validator(Validator::NonEmptyString)
        .doc("Java class that keeps the metadata of remote segments."),
    string("remote.log.metadata.manager.class.path", Medium).doc("Class path of that class."),
    string("remote.log.metadata.manager.impl.prefix", Medium)
        .default("rlmm.config.")
        .validator(Validator::NonEmptyString)
        .doc("Prefix of the settings handed to that class."),
    string("remote.log.metadata.manager.listener.name", Medium)
        .validator(Validator::NonEmptyString)
        .doc("Listener the metadata class uses to reach brokers."),
    int("remote.log.metadata.custom.metadata.max.bytes", Low)
        .default("128")
        .at_least(0)
        .doc("Largest note the storage class may keep with a segment."),
    long("remote.log.index.file.cache.total.size.bytes", Low)
        .default("1073741824")
        .at_least(1)
        .cluster_wide()
        .doc("Bytes of local disk for indexes of remote segments."),
    long("remote.log.index.file.cache.ttl.ms", Low)
        .default("900000")
        .at_least(-1)
        .internal()
        .doc("Milliseconds an unused index stays there; -1 keeps it until space is needed."),
    int("remote.log.manager.thread.pool.size", Medium)
        .default("2")
        .at_least(1)
        .deprecated()
        .doc("Older single size of the pools below."),
    int("remote.log.manager.copier.thread.pool.size", Medium)
        .default("10")
        .at_least(1)
        .cluster_wide()
        .doc("Threads that copy segments to remote storage."),
    int("remote.log.manager.expiration.thread.pool.size", Medium)
        .default("10")
        .at_least(1)
        .cluster_wide()
        .doc("Threads that remove expired remote segments."),
    int("remote.log.manager.follower.thread.pool.size", Medium)
        .default("2")
        .at_least(1)
        .cluster_wide()
        .doc("Threads that follow remote state on replicas that do not lead."),
    long("remote.log.manager.task.interval.ms", Low)
        .default("30000")
        .at_least(1)
        .doc("Milliseconds between the rounds of those threads."),
    long("remote.log.manager.task.retry.backoff.ms", Low)
        .default("500")
        .at_least(1)
        .internal()
        .doc("Milliseconds before a failed round is tried again."),
    long("remote.log.manager.task.retry.backoff.max.ms", Low)
        .default("30000")
        .at_least(1)
        .internal()
        .doc("Upper limit of that time as it grows."),
    double("remote.log.manager.task.retry.jitter", Low)
        .default("0.2")
        .between(0.0, 0.5)
        .internal()
        .doc("Share of that time that is random."),
    long("remote.log.manager.copy.max.bytes.per.second", Medium)
        .default("9223372036854775807")
        .at_least(1)
        .cluster_wide()
        .doc("Bytes a second for copying to remote storage."),
    int("remote.log.manager.copy.quota.window.num", Medium)
        .default("11")
        .at_least(1)
        .doc("Samples kept for that quota."),
    int("remote.log.manager.copy.quota.window.size.seconds", Medium)
        .default("1")
        .at_least(1)
        .doc("Seconds of one such sample."),
    long("remote.log.manager.fetch.max.bytes.per.second", Medium)
        .default("9223372036854775807")
        .at_least(1)
        .cluster_wide()
        .doc("Bytes a second for reading from remote storage."),
    int("remote.log.manager.fetch.quota.window.num", Medium)
        .default("11")
        .at_least(1)
        .doc("Samples kept for that quota."),
    int("remote.log.manager.fetch.quota.window.size.seconds", Medium)
        .default("1")
        .at_least(1)
        .doc("Seconds of one such sample."),
    int("remote.log.reader.threads", Medium)
        .default("10")
        .at_least(1)
        .cluster_wide()
        .doc("Threads that read remote segments."),
    int("remote.log.reader.max.pending.tasks", Medium)
        .default("100")
        .at_least(1)
        .doc("Reads that may wait for such a thread."),
    int("remote.fetch.max.wait.ms", Medium)
        .default("500")
        .at_least(1)
        .cluster_wide()
        .doc("Milliseconds a fetch waits for remote storage."),
    long("remote.list.offsets.request.timeout.ms", Medium)
        .default("30000")
        .at_least(1)
        .cluster_wide()
        .doc("Milliseconds a look-up of offsets waits for remote storage."),
    long("log.local.retention.bytes", Medium)
        .default("-2")
        .at_least(-2)
        .cluster_wide()
        .doc("Bytes of a partition kept locally once copied; -2 takes the retention of the whole log."),
    long("log.local.retention.ms", Medium)
        .default("-2")
        .at_least(-2)
        .cluster_wide()
        .doc("Milliseconds a segment is kept locally once copied; -2 takes the retention of the whole log."),
    long("log.remote.copy.lag.bytes", Medium)
        .default("-1")
        .at_least(-1)
        .cluster_wide()
        .doc("Bytes of a partition that stay local before older ones are copied; -1 takes the local retention."),
    long("log.remote.copy.lag.ms", Medium)
        .default("0")
        .at_least(-1)
        .cluster_wide()
        .doc("Milliseconds a segment waits before it is copied; -1 takes the local retention."),
];
