//! Settings on their way to a consumer.

use std::sync::Arc;
use std::time::Duration;

use klamm_assignors::{Assignor, TopicPartition};

use super::Consumer;
use super::config::Config;
use super::listener::{AnyListener, RebalanceListener};
use super::shared::Shared;
use super::subscription::Subscription;
use crate::properties::invalid;
use crate::{Client, Error, Properties};

/// What a consumer is made of: bootstrap addresses, or a client to share.
#[derive(Clone, Debug)]
pub struct ConsumerSource(Source);

#[derive(Clone, Debug)]
enum Source {
    Bootstrap(String),
    Client(Client),
}

impl From<&str> for ConsumerSource {
    fn from(bootstrap: &str) -> Self {
        Self(Source::Bootstrap(bootstrap.to_owned()))
    }
}

impl From<String> for ConsumerSource {
    fn from(bootstrap: String) -> Self {
        Self(Source::Bootstrap(bootstrap))
    }
}

impl From<&Client> for ConsumerSource {
    fn from(client: &Client) -> Self {
        Self(Source::Client(client.clone()))
    }
}

impl From<Client> for ConsumerSource {
    fn from(client: Client) -> Self {
        Self(Source::Client(client))
    }
}

/// Where a consumer begins in a partition without a valid offset: `auto.offset.reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the first record there is.
    Earliest,
    /// With the next record that comes.
    Latest,
    /// With the first record that is not older than that (KIP-1106).
    ByDuration(Duration),
    /// Nowhere: polls report it, and the application seeks.
    None,
}

enum Start {
    Nothing,
    Topics(Vec<String>),
    Pattern(String),
    Partitions(Vec<TopicPartition>),
}

/// Makes a [`Consumer`].
///
/// Methods set the property of the same meaning; the last setting of a property counts.
#[must_use = "build makes the consumer"]
pub struct ConsumerBuilder {
    source: Source,
    properties: Properties,
    listener: Option<Arc<dyn AnyListener>>,
    start: Start,
}

impl ConsumerBuilder {
    pub(super) fn new(source: ConsumerSource) -> Self {
        Self {
            source: source.0,
            properties: Properties::new(),
            listener: None,
            start: Start::Nothing,
        }
    }

    /// Sets one property, by Java's name.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.set(key, value);
        self
    }

    /// Sets many properties, over those that are set.
    pub fn properties(mut self, properties: &Properties) -> Self {
        self.properties.extend(properties);
        self
    }

    /// The group to be a member of, and whose offsets to commit: `group.id`.
    pub fn group(self, id: impl Into<String>) -> Self {
        self.property("group.id", id)
    }

    /// Keeps the member's place in the group across restarts (KIP-345): `group.instance.id`.
    pub fn instance_id(self, id: impl Into<String>) -> Self {
        self.property("group.instance.id", id)
    }

    /// How the group shares out partitions, by falling preference: `partition.assignment.strategy`.
    pub fn assignors(self, assignors: &[Assignor]) -> Self {
        let names: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
        self.property("partition.assignment.strategy", names.join(","))
    }

    /// Where to begin without a committed offset: `auto.offset.reset`.
    pub fn offset_reset(self, reset: OffsetReset) -> Self {
        let value = match reset {
            OffsetReset::Earliest => "earliest".to_owned(),
            OffsetReset::Latest => "latest".to_owned(),
            OffsetReset::ByDuration(duration) => format!("by_duration:PT{}S", duration.as_secs_f64()),
            OffsetReset::None => "none".to_owned(),
        };
        self.property("auto.offset.reset", value)
    }

    /// Whether offsets are committed every `auto.commit.interval.ms` and when partitions are given up:
    /// `enable.auto.commit`.
    pub fn auto_commit(self, enable: bool) -> Self {
        self.property("enable.auto.commit", enable.to_string())
    }

    /// Whether records of transactions are left out until they are committed: `isolation.level`.
    pub fn read_committed(self, read_committed: bool) -> Self {
        let level = if read_committed {
            "read_committed"
        } else {
            "read_uncommitted"
        };
        self.property("isolation.level", level)
    }

    /// Who is told of partitions that come and go.
    pub fn listener(mut self, listener: impl RebalanceListener) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Begins with these topics, as [`Consumer::subscribe`].
    pub fn subscribe<S: Into<String>>(mut self, topics: impl IntoIterator<Item = S>) -> Self {
        self.start = Start::Topics(topics.into_iter().map(Into::into).collect());
        self
    }

    /// Begins with all topics that match, as [`Consumer::subscribe_pattern`].
    pub fn subscribe_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.start = Start::Pattern(pattern.into());
        self
    }

    /// Begins with these partitions, as [`Consumer::assign`].
    pub fn assign(mut self, partitions: impl IntoIterator<Item = TopicPartition>) -> Self {
        self.start = Start::Partitions(partitions.into_iter().collect());
        self
    }

    /// Makes the consumer and starts its background tasks; needs tokio's runtime. Doesn't wait for the cluster.
    ///
    /// # Errors
    /// [`Error::Config`] for a value that a property must not have.
    pub async fn build(self) -> Result<Consumer, Error> {
        let (client, properties) = match self.source {
            Source::Bootstrap(bootstrap) => {
                let mut properties = self.properties;
                properties.set("bootstrap.servers", bootstrap);
                (
                    crate::ClientBuilder::from_properties(properties.clone()).build()?,
                    properties,
                )
            }
            Source::Client(client) => {
                let mut properties = client.properties().clone();
                properties.extend(&self.properties);
                (client, properties)
            }
        };
        let config = Config::read(&properties)?;
        let needs_group = matches!(self.start, Start::Topics(_) | Start::Pattern(_));
        if needs_group && config.group.is_none() {
            return Err(Error::Config {
                key: "group.id".to_owned(),
                value: None,
                reason: "it is needed to subscribe to topics; assign partitions to read without a group".to_owned(),
            });
        }
        let subscription = match &self.start {
            Start::Nothing => Subscription::None,
            Start::Topics(topics) => Subscription::topics(topics)?,
            Start::Pattern(pattern) => Subscription::pattern(pattern)?,
            Start::Partitions(_) => Subscription::Partitions,
        };
        let partitions = match self.start {
            Start::Partitions(partitions) => partitions,
            _ => Vec::new(),
        };
        if let Some(wrong) = partitions.iter().find(|partition| partition.partition < 0) {
            let reason = "a partition's number must not be negative".to_owned();
            return Err(invalid("assignment", &wrong.to_string(), reason));
        }
        let shared = Shared::new(client, config, self.listener);
        {
            let mut state = shared.state();
            state.subscription = subscription;
            state.add(partitions);
        }
        Ok(Consumer::start(Arc::new(shared)))
    }
}
