//! Where the records of `klamm produce` go, and what became of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use klamm_client::producer::DeliveryReport;
use klamm_client::{Client, ErrorCode, MetadataTopics, Record, SendError};

use super::options::{Options, Target};
use super::records;
use crate::call::{Call, Outcome};
use crate::consume::{missing_partition, unknown_topic};
use crate::feed::Feed;
use crate::output::Failure;
use crate::settings;

/// How long to wait before looking again for a topic that is being made.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A producer that stops at the first record that can't be delivered.
pub(super) struct Sink {
    feed: Feed,
    /// Partitions of the topics that were written to.
    topics: BTreeMap<String, usize>,
    taken: u64,
    failed: Arc<Mutex<Failed>>,
}

/// Records that were not delivered, and why the first was not.
#[derive(Default)]
struct Failed {
    records: u64,
    first: Option<(String, SendError)>,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    pub(super) outcome: Outcome,
}

impl Sink {
    /// Connects, and finds the topic if there is one for all.
    pub(super) fn start(options: &Options) -> Result<Sink, Failure> {
        let failed = Arc::new(Mutex::new(Failed::default()));
        let hook = {
            let failed = failed.clone();
            move |report: &DeliveryReport<'_>| note(&failed, report)
        };
        let feed = Feed::watched(options.properties.clone(), hook).map_err(|failure| {
            let words = failure.message();
            let words = words
                .strip_prefix("org.apache.kafka.common.config.ConfigException: ")
                .unwrap_or(words);
            Failure::own(words).code(2)
        })?;
        let mut sink = Sink {
            feed,
            topics: BTreeMap::new(),
            taken: 0,
            failed,
        };
        if let Some(topic) = &options.topic {
            sink.find(options, topic)?;
            if let Target::This(partition) = options.partition {
                sink.check_partition(options, topic, partition)?;
            }
        }
        Ok(sink)
    }

    /// Finds a topic, which may be made by that: how many partitions it has.
    fn find(&mut self, options: &Options, topic: &str) -> Result<usize, Failure> {
        if let Some(count) = self.topics.get(topic) {
            return Ok(*count);
        }
        let client = self.feed.producer().client().with_api_timeout(options.patience);
        let found = self.feed.block_on(look(&client, topic, options.patience));
        let Some(found) = found else {
            return Err(Failure::told(self.feed.stopped().unwrap_or(130)));
        };
        let count = found?;
        self.topics.insert(topic.to_owned(), count);
        Ok(count)
    }

    /// That the topic has the partition.
    pub(super) fn check_partition(&mut self, options: &Options, topic: &str, partition: i32) -> Result<(), Failure> {
        let count = self.find(options, topic)?;
        match usize::try_from(partition).is_ok_and(|partition| partition < count) {
            true => Ok(()),
            false => Err(missing_partition(topic, partition, count)),
        }
    }

    pub(super) fn put(&mut self, call: &mut Call, options: &Options, topic: &str, record: Record<'_>) -> Outcome {
        if !self.topics.contains_key(topic) {
            self.find(options, topic)?;
        }
        match self.feed.put(record, &mut call.err) {
            Ok(_) => {
                self.taken += 1;
                Ok(())
            }
            // A signal: see is_full.
            Err(None) => Ok(()),
            Err(Some(error)) => Err(told(&error)),
        }
    }

    /// Whether no more is to be read: enough, a signal, or a record that failed.
    pub(super) fn is_full(&self, options: &Options) -> bool {
        options.count.is_some_and(|count| self.taken >= count)
            || self.feed.stopped().is_some()
            || self.lock().records > 0
    }

    /// Delivers what was taken and says what became of it.
    pub(super) fn finish(self, fed: Outcome) -> Ended {
        self.feed.finish();
        let (failed, first) = {
            let mut failed = self.lock();
            (failed.records, failed.first.take())
        };
        let delivered = self.taken.saturating_sub(failed);
        let so_far = match (self.taken, delivered) {
            (_, 0) => "nothing was delivered".to_owned(),
            (taken, delivered) if taken == delivered => format!("{} delivered before it", was(delivered)),
            (taken, delivered) => format!("{delivered} of {} delivered", was(taken)),
        };
        let stopped = self.feed.stopped();
        let outcome = match (first, fed, stopped) {
            (Some((topic, error)), ..) => Err(told(&error)
                .reworded(|words| format!("topic `{topic}`: {words}"))
                .hint(format!("{so_far}; what had not been read was left"))),
            (None, Err(failure), _) => Err(failure.also_hint(&so_far)),
            (None, Ok(()), Some(code)) => Err(Failure::own("interrupted").code(code).hint(format!(
                "{} delivered; the rest of the input was not read",
                was(delivered)
            ))),
            (None, Ok(()), None) => Ok(()),
        };
        self.feed.shut_down();
        Ended {
            delivered,
            failed,
            outcome,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Failed> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many partitions a topic has. Brokers that make topics when they are asked for say at first that there is none.
async fn look(client: &Client, topic: &str, patience: Duration) -> Result<usize, Failure> {
    let begun = Instant::now();
    loop {
        let known = client.refresh_metadata_creating(MetadataTopics::names([topic])).await;
        let known = known.map_err(|error| settings::failure(&error))?;
        let found = known.topic(topic);
        let found = found.map(|topic| (topic.error, topic.partitions.len()));
        match found.unwrap_or((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, 0)) {
            (ErrorCode::NONE, count) => return Ok(count),
            (error, _) if error.is_retriable() && begun.elapsed() < patience => {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, _) => return Err(unknown_topic(topic)),
            (error, _) => return Err(Failure::own(format!("topic `{topic}`: {}", error.message()))),
        }
    }
}

fn was(count: u64) -> String {
    format!("{} {}", records(count), if count == 1 { "was" } else { "were" })
}

fn note(failed: &Mutex<Failed>, report: &DeliveryReport<'_>) {
    if let Err(error) = report.result {
        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.records += u64::from(report.records);
        failed
            .first
            .get_or_insert_with(|| (report.topic.to_owned(), error.clone()));
    }
}

fn told(error: &SendError) -> Failure {
    match error {
        SendError::Client(error) => settings::failure(error),
        SendError::TooLarge { property, .. } => {
            Failure::own(error.to_string()).hint(format!("`-X {property}=BYTES` allows more; so must the topic"))
        }
        other => Failure::own(other.to_string()),
    }
}
