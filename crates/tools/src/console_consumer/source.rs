//! Where a tool's records come from: a member of a group, or all partitions of some topics.

use std::sync::Mutex;
use std::time::Duration;

use klamm_client::consumer::{ConsumerRecord, Records};
use klamm_client::{Client, ClusterMetadata, Consumer, ConsumerError, MetadataTopics, Properties, TopicPartition};
use tokio::time::Instant;

use crate::call::Call;
use crate::connect;
use crate::output::{Failure, Out};
use crate::patterns::NamePattern;

/// What to read.
pub(crate) struct Wanted {
    /// A topic by name.
    pub(crate) topic: Option<String>,
    /// Topics whose whole names match.
    pub(crate) pattern: Option<String>,
    /// One partition of the topic.
    pub(crate) partition: Option<i32>,
    /// Where to begin.
    pub(crate) begin: Begin,
    /// The group to be a member of.
    pub(crate) group: Option<String>,
}

/// Where to begin in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// As `auto.offset.reset` says.
    ByPolicy,
    Earliest,
    Latest,
    At(i64),
}

/// Most bytes that are fetched at once, so that a console consumer stays small.
const FETCH_MAX_BYTES: &str = "8388608";
/// So many records are printed between two looks at what has come.
const MAX_POLL_RECORDS: &str = "5000";
/// How often topics and partitions that came into being are looked for.
const METADATA_MAX_AGE: &str = "30000";
/// How long no broker may answer before that is said.
const REACH: Duration = Duration::from_secs(3);
/// How long a poll waits when nothing says otherwise.
const PATIENCE: Duration = Duration::from_secs(1);

/// A consumer and how it gets its partitions.
pub(crate) struct Source {
    pub(crate) consumer: Consumer,
    client: Client,
    /// The topics whose partitions are assigned as they come into being.
    topics: Option<Topics>,
    /// What was assigned of them, in order.
    assigned: Mutex<Vec<TopicPartition>>,
}

enum Topics {
    Named(String),
    Matching(NamePattern),
}

impl Source {
    /// Makes the consumer, which connects in the background.
    pub(crate) async fn new(mut properties: Properties, wanted: &Wanted) -> Result<Self, Failure> {
        properties.set_default("fetch.max.bytes", FETCH_MAX_BYTES);
        properties.set_default("max.poll.records", MAX_POLL_RECORDS);
        properties.set_default("metadata.max.age.ms", METADATA_MAX_AGE);
        let client = connect::client_of(properties.clone())?;
        let pattern = match &wanted.pattern {
            Some(pattern) => Some(
                NamePattern::parse(pattern)
                    .map_err(|error| Failure::own(format!("`{pattern}` is no pattern for topics: {error}")))?,
            ),
            None => None,
        };
        if wanted.group.is_some() && pattern.as_ref().is_some_and(NamePattern::has_look_around) {
            let words = "look-around in a pattern is not supported together with a group";
            return Err(Failure::own(words).hint("without a group, (?!…) may stand in front of the pattern"));
        }
        let builder = Consumer::builder(&client);
        let builder = match (&wanted.group, &wanted.topic, &wanted.pattern) {
            (Some(group), Some(topic), _) => builder.group(group).subscribe([topic]),
            (Some(group), None, Some(pattern)) => builder.group(group).subscribe_pattern(pattern),
            _ => builder,
        };
        let consumer = builder.build().await.map_err(|error| Failure::own(error.to_string()))?;
        let topics = match (&wanted.group, &wanted.topic, pattern) {
            (Some(_), ..) => None,
            (None, Some(topic), _) if wanted.partition.is_none() => Some(Topics::Named(topic.clone())),
            (None, None, Some(pattern)) => Some(Topics::Matching(pattern)),
            _ => None,
        };
        let source = Self {
            consumer,
            client,
            topics,
            assigned: Mutex::default(),
        };
        if let (Some(topic), Some(partition)) = (&wanted.topic, wanted.partition) {
            source.begin(TopicPartition::new(topic.as_str(), partition), wanted.begin)?;
        }
        Ok(source)
    }

    /// Waits for a broker, saying so if it takes long. False: none was there within `timeout`.
    pub(crate) async fn reach(&self, call: &mut Call, timeout: Option<Duration>) -> Result<bool, Failure> {
        let begun = Instant::now();
        let each = timeout.unwrap_or(REACH).min(REACH);
        let client = self.client.with_api_timeout(each);
        let mut told = false;
        loop {
            if timeout.is_some_and(|timeout| told && begun.elapsed() >= timeout) {
                return Ok(false);
            }
            let asked = match &self.topics {
                Some(Topics::Named(topic)) => client.refresh_metadata_creating(MetadataTopics::names([topic])).await,
                Some(Topics::Matching(_)) => client.refresh_metadata(MetadataTopics::All).await,
                None => client.refresh_metadata(MetadataTopics::Brokers).await,
            };
            match asked {
                Ok(_) => return Ok(true),
                Err(error) if error.is_retriable() => {
                    if !told {
                        let hint = connect::hint(&error).unwrap_or_else(|| error.to_string());
                        call.err.line(format_args!("WARN still trying: {hint}"));
                        told = true;
                    }
                }
                Err(error) => return Err(connect::failure(&error, "metadata", str::to_owned)),
            }
        }
    }

    fn begin(&self, partition: TopicPartition, begin: Begin) -> Result<(), Failure> {
        let begun = self.consumer.assign([partition.clone()]).and_then(|()| match begin {
            Begin::ByPolicy => Ok(()),
            Begin::Earliest => self.consumer.seek_to_beginning([&partition]),
            Begin::Latest => self.consumer.seek_to_end([&partition]),
            Begin::At(offset) => self.consumer.seek(&partition, offset),
        });
        begun.map_err(|error| Failure::own(error.to_string()))
    }

    /// Takes the partitions that are known now.
    fn follow(&self) -> Result<(), ConsumerError> {
        let Some(topics) = &self.topics else { return Ok(()) };
        let known = self.client.known_metadata();
        let mut assigned = self.assigned.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match differing(&assigned, partitions(topics, &known)) {
            Some(partitions) => {
                assigned.clone_from(&partitions);
                self.consumer.assign(partitions)
            }
            None => Ok(()),
        }
    }

    /// The next records, or none.
    pub(crate) async fn poll(&self, timeout: Duration) -> Result<Records, ConsumerError> {
        self.follow()?;
        if self.topics.is_some() && self.consumer.assignment().is_empty() {
            // The topic is not there yet.
            tokio::time::sleep(timeout.min(Duration::from_millis(200))).await;
            if let Some(Topics::Named(topic)) = &self.topics {
                let _ = self
                    .client
                    .refresh_metadata_creating(MetadataTopics::names([topic]))
                    .await;
            }
            return Ok(Records::default());
        }
        self.consumer.poll(timeout).await
    }

    /// The record and those after it were not used: nobody shall believe that they were.
    pub(crate) fn not_consumed(&self, record: &ConsumerRecord) {
        let partition = TopicPartition::new(record.shared_topic(), record.partition());
        // It may be another's by now, who then reads it.
        let _ = self.consumer.seek(&partition, record.offset());
    }

    pub(crate) async fn close(&self) {
        // What was read is printed; who goes on begins where the last commit is.
        let _ = self.consumer.clone().close().await;
    }
}

fn partitions(topics: &Topics, known: &ClusterMetadata) -> Vec<TopicPartition> {
    let wanted = known.topics().filter(|topic| match topics {
        Topics::Named(name) => *topic.name == **name,
        Topics::Matching(pattern) => !topic.is_internal && pattern.is_match(&topic.name),
    });
    wanted
        .flat_map(|topic| {
            topic
                .partitions
                .iter()
                .map(|partition| TopicPartition::new(topic.name.clone(), partition.index))
        })
        .collect()
}

/// The partitions in order, if they are others than those that are assigned: one topic may have come as another went.
fn differing(assigned: &[TopicPartition], mut partitions: Vec<TopicPartition>) -> Option<Vec<TopicPartition>> {
    partitions.sort_unstable();
    (partitions != assigned).then_some(partitions)
}

/// The next records: first those that are there; if there are none, what was printed goes out before it waits, for `timeout`
/// at most. `None` when it is over.
pub(crate) async fn read_ahead(
    source: &Source,
    out: &mut Out,
    timeout: Option<Duration>,
) -> Result<Result<Option<Records>, ConsumerError>, Failure> {
    let begun = Instant::now();
    let mut patience = Duration::ZERO;
    loop {
        match source.poll(patience).await {
            Ok(records) if !records.is_empty() => return Ok(Ok(Some(records))),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
        out.flush()?;
        patience = match timeout {
            None => PATIENCE,
            Some(timeout) => match timeout.checked_sub(begun.elapsed()) {
                Some(rest) => rest.min(PATIENCE).max(Duration::from_millis(1)),
                None => return Ok(Ok(None)),
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_partitions_of_another_topic_are_assigned() {
        let of = |topic: &'static str, count: i32| (0..count).map(move |index| TopicPartition::new(topic, index));
        let first = differing(&[], of("b", 2).collect()).unwrap();
        assert_eq!(differing(&first, of("b", 2).rev().collect()), None);
        let other: Vec<TopicPartition> = of("c", 2).collect();
        assert_eq!(differing(&first, other.clone()), Some(other));
        assert_eq!(differing(&first, Vec::new()), Some(Vec::new()));
    }
}
