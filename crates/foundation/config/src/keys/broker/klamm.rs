//! Keys that Apache Kafka does not have. They are internal, so that DescribeConfigs shows them only where they are set, and a
//! node's answers are Kafka's where they are not.

use crate::key::Importance::Low;
use crate::key::{ConfigKey, string};

pub(super) const KEYS: &[ConfigKey] = &[string("klamm.metrics.listener", Low)
    .internal()
    .effective()
    .doc("Where Prometheus finds the node's metrics, at `/metrics`: `PORT`, for this machine only, or `HOST:PORT`; unset means nowhere.")];
