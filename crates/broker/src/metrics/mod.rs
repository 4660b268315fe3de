//! What a node tells of itself to whoever measures: counters, and the endpoint for Prometheus.
//!
//! [`TABLE`](table::TABLE) is all that is told: a metric is one line there, with its name, its help and where its values come
//! from. The page of reference and the endpoint are both made from it. Names are what Apache Kafka's MBeans are called behind
//! Prometheus' JMX exporter with the rules that Strimzi brings, so that dashboards find them; what is only ours begins with
//! `klamm_`.

mod counters;
mod endpoint;
mod http;
mod scrape;
mod table;
#[cfg(test)]
mod tests;
mod text;

/// The key that switches the endpoint on.
pub(crate) const LISTENER: &str = "klamm.metrics.listener";

pub use counters::Metrics;
pub(crate) use endpoint::MetricsEndpoint;
pub use endpoint::MetricsError;
pub use table::markdown;
