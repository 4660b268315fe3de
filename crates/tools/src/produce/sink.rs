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
use crate::signals::interrupted;

/// How long to wait before looking again for a topic that is being made.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A producer that stops at the first record that can't be delivered.
pub(super) struct Sink {
    feed: Feed,
    /// Partitions of the topics that were written to.
    topics: BTreeMap<String, usize>,
    taken: u64,
    failed: Arc<Mutex<FirstFailed>>,
}

/// The topic of the first record that was not delivered, and why.
type FirstFailed = Option<(String, SendError)>;

/// How it ended.
pub(super) struct Ended {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    /// Records that were on their way when a signal came.
    pub(super) unknown: u64,
    pub(super) outcome: Outcome,
}

impl Sink {
    /// Connects, and finds the topic if there is one for all.
    pub(super) fn start(options: &Options) -> Result<Sink, Failure> {
        let failed = Arc::new(Mutex::new(None));
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
            return Err(interrupted(self.feed.stopped().unwrap_or(130)));
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
        options.count.is_some_and(|count| self.taken >= count) || self.feed.stopped().is_some() || self.lock().is_some()
    }

    /// Delivers what was taken and says what became of it.
    pub(super) fn finish(self, fed: Outcome) -> Ended {
        let at_once = self.feed.stopped().is_some();
        let finished = self.feed.finish();
        let (delivered, unknown) = (finished.delivered, finished.unknown(self.taken));
        let first = self.lock().take();
        let so_far = so_far(self.taken, delivered, unknown);
        let outcome = match (first, fed, finished.signal) {
            (Some((topic, error)), ..) => Err(told(&error)
                .reworded(|words| format!("topic `{topic}`: {words}"))
                .hint(format!("{so_far}; what had not been read was left"))),
            (None, Err(failure), _) => Err(failure.also_hint(&so_far)),
            (None, Ok(()), Some(code)) => Err(interrupted(code).hint(after_signal(delivered, unknown, at_once))),
            (None, Ok(()), None) => Ok(()),
        };
        self.feed.shut_down();
        Ended {
            delivered,
            failed: finished.failed,
            unknown,
            outcome,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, FirstFailed> {
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

fn note(failed: &Mutex<FirstFailed>, report: &DeliveryReport<'_>) {
    if let Err(error) = report.result {
        let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| (report.topic.to_owned(), error.clone()));
    }
}

fn told(error: &SendError) -> Failure {
    match error {
        SendError::Client(error) => settings::failure(error),
        SendError::TooLarge { property, .. } => too_large(error.to_string(), property),
        other => Failure::own(other.to_string()),
    }
}

fn too_large(what: String, property: &str) -> Failure {
    Failure::own(what).hint(format!("`-X {property}=BYTES` allows more; so must the topic"))
}

/// A record that was not even read whole.
pub(super) fn larger_than(limit: u64) -> Failure {
    let property = "max.request.size";
    too_large(
        format!("the record takes more than the {limit} bytes of {property}"),
        property,
    )
}

/// What became of the records that were taken before something went wrong.
fn so_far(taken: u64, delivered: u64, unknown: u64) -> String {
    let known = match (delivered, unknown) {
        (0, 0) => "nothing was delivered".to_owned(),
        (delivered, _) if taken == delivered => format!("{} delivered before it", was(delivered)),
        (delivered, _) => format!("{delivered} of {} delivered", was(taken)),
    };
    known + &in_flight(unknown)
}

/// What a signal leaves undone; `at_once` if it came before all was read.
fn after_signal(delivered: u64, unknown: u64, at_once: bool) -> String {
    let unread = if at_once {
        "; the rest of the input was not read"
    } else {
        ""
    };
    format!("{} delivered{}{unread}", was(delivered), in_flight(unknown))
}

fn in_flight(unknown: u64) -> String {
    match unknown {
        0 => String::new(),
        count => format!("; what became of {} is not known", records(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_of_more_than_was_delivered() {
        assert_eq!(so_far(0, 0, 0), "nothing was delivered");
        assert_eq!(so_far(1, 1, 0), "1 record was delivered before it");
        assert_eq!(so_far(3, 2, 0), "2 of 3 records were delivered");
        assert_eq!(
            so_far(3, 0, 3),
            "0 of 3 records were delivered; what became of 3 records is not known"
        );
        assert_eq!(
            after_signal(2, 0, true),
            "2 records were delivered; the rest of the input was not read"
        );
        assert_eq!(
            after_signal(0, 1, false),
            "0 records were delivered; what became of 1 record is not known"
        );
    }
}
