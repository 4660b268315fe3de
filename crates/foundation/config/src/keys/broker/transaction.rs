//! Producers and transactions: idempotent producers, and transactions, which are not there yet.

use crate::key::Importance::{High, Low};
use crate::key::{ConfigKey, boolean, int, short};

pub(super) const KEYS: &[ConfigKey] = &[
    int("producer.id.expiration.ms", Low)
        .default("86400000")
        .at_least(1)
        .cluster_wide()
        .effective()
        .doc("Milliseconds a partition remembers a producer that no longer writes."),
    int("producer.id.expiration.check.interval.ms", Low)
        .default("600000")
        .at_least(1)
        .internal()
        .doc("Milliseconds between the looks for producers to forget."),
    int("transaction.max.timeout.ms", High)
        .default("900000")
        .at_least(1)
        .doc("Longest timeout a transaction may ask for, in milliseconds."),
    int("transactional.id.expiration.ms", High)
        .default("604800000")
        .at_least(1)
        .doc("Milliseconds an unused transactional id is kept."),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms", Low)
        .default("10000")
        .at_least(1)
        .doc("Milliseconds between the looks for transactions to abort."),
    int("transaction.remove.expired.transaction.cleanup.interval.ms", Low)
        .default("3600000")
        .at_least(1)
        .doc("Milliseconds between the looks for transactional ids to forget."),
    boolean("transaction.partition.verification.enable", Low)
        .default("true")
        .cluster_wide()
        .doc("Whether a partition asks the coordinator before it takes the first batch of a transaction."),
    boolean("transaction.two.phase.commit.enable", Low)
        .default("false")
        .doc("Whether clients may take part in two-phase commit, in transactions without a timeout."),
    int("transaction.state.log.load.buffer.size", High)
        .default("5242880")
        .at_least(1)
        .doc("Bytes read at a time when a partition of `__transaction_state` is loaded."),
    int("transaction.state.log.min.isr", High)
        .default("2")
        .at_least(1)
        .doc("In-sync replicas `__transaction_state` needs to take a write."),
    int("transaction.state.log.num.partitions", High)
        .default("50")
        .at_least(1)
        .doc("Partitions of `__transaction_state`; not to be changed later."),
    short("transaction.state.log.replication.factor", High)
        .default("3")
        .at_least(1)
        .doc("Copies of `__transaction_state`."),
    int("transaction.state.log.segment.bytes", High)
        .default("104857600")
        .at_least(1)
        .doc("Segment size of `__transaction_state`."),
];
