//! Keys of client metrics subscriptions (KIP-714).

use crate::key::Importance::Medium;
use crate::key::{ConfigKey, int, list};

pub(super) const KEYS: &[ConfigKey] = &[
    int("interval.ms", Medium)
        .default("300000")
        .doc("Milliseconds between the reports clients push; from 100 to 3600000."),
    list("match", Medium)
        .default("")
        .distinct()
        .doc("Clients the subscription is for, as `name=pattern` pairs; empty means all."),
    list("metrics", Medium)
        .default("")
        .distinct()
        .doc("Prefixes of the metrics asked for; `*` means all."),
];
