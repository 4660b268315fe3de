//! Records into a producer, as fast as they can be read or made: what the producing tools have in common.
//!
//! [`Feed`] is a producer that runs on a thread of its own and takes records from a plain loop on this one; [`Input`] reads ahead
//! on a third, and [`Splitter`] cuts what it read into lines or other pieces, copying only those that lie in two blocks. Signals
//! are heard all the while; one that comes while the feed finishes leaves the rest unknown. `produce`, `console-producer`, `producer-perf-test` and `verifiable-producer` are built on it.

mod input;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use klamm_client::producer::DeliveryReport;
use klamm_client::{Delivery, Error, Producer, Properties, Record, RecordMetadata, SendError};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::output::{Failure, Messages, exception};
use crate::signals::signal;
use crate::trouble::Trouble;
pub(crate) use input::{Came, Input, Splitter, Terminator, position};

/// A producer on a thread of its own, fed by this one.
pub(crate) struct Feed {
    runtime: Runtime,
    producer: Producer,
    trouble: Trouble,
    stop: watch::Receiver<Option<u8>>,
    outcomes: Arc<Mutex<Outcomes>>,
}

/// How many records were delivered and have failed, and the failures that have not been told of yet.
#[derive(Default)]
struct Outcomes {
    delivered: u64,
    failed: u64,
    untold: Vec<String>,
}

/// What became of the records. Of those that neither were delivered nor failed it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    /// The exit code of a signal, if one came.
    pub(crate) signal: Option<u8>,
}

impl Finished {
    /// Of so many records that the producer took, how many it is not known of.
    pub(crate) fn unknown(&self, taken: u64) -> u64 {
        taken.saturating_sub(self.delivered + self.failed)
    }
}

/// Failures that are kept for telling; of more at once only the number is told.
const MAX_UNTOLD: usize = 100;

/// Longer than any tool runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Feed {
    /// Starts a producer with these settings.
    pub(crate) fn start(properties: Properties) -> Result<Feed, Failure> {
        Feed::watched(properties, |_| {})
    }

    /// When records have to wait, looks whether this topic is there.
    pub(crate) fn about(mut self, topic: &str) -> Feed {
        self.trouble = self.trouble.with_topic(topic);
        self
    }

    /// As [`Feed::start`]; `watch` is told of every batch that is delivered or has failed, on the other thread.
    pub(crate) fn watched(
        properties: Properties,
        watch: impl Fn(&DeliveryReport<'_>) + Send + Sync + 'static,
    ) -> Result<Feed, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.map_err(|error| Failure::own(format!("can't start: {error}")).code(2))?;
        let outcomes = Arc::new(Mutex::new(Outcomes::default()));
        let hook = {
            let outcomes = outcomes.clone();
            move |report: &DeliveryReport<'_>| {
                note(&outcomes, report);
                watch(report);
            }
        };
        let builder = Producer::builder(properties).on_delivery(hook);
        let producer = runtime.block_on(builder.build());
        let producer = producer.map_err(|error| Failure::own(error.to_string()))?;
        let (sender, stop) = watch::channel(None);
        runtime.spawn(async move {
            let _nobody = sender.send(Some(signal().await));
            // The receiver must not see the channel closed.
            sender.closed().await;
        });
        let trouble = Trouble::new(producer.client().clone());
        Ok(Feed {
            runtime,
            producer,
            trouble,
            stop,
            outcomes,
        })
    }

    pub(crate) fn producer(&self) -> &Producer {
        &self.producer
    }

    /// The exit code of a signal that came.
    pub(crate) fn stopped(&self) -> Option<u8> {
        *self.stop.borrow()
    }

    /// Runs something on the producer's runtime. `None` when a signal came meanwhile.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        self.runtime.block_on(async {
            tokio::select! {
                done = future => Some(done),
                _ = stop.wait_for(Option::is_some) => None,
            }
        })
    }

    /// Enqueues a record, waiting for room; if that takes long, it says why. `Err(None)` when a signal came meanwhile.
    pub(crate) fn put(&mut self, record: Record<'_>, err: &mut Messages) -> Result<Delivery, Option<SendError>> {
        // There is room nearly always.
        match self.producer.try_enqueue(record.clone()) {
            Err(SendError::Full { .. } | SendError::NoMetadata { .. }) => {}
            enqueued => return enqueued.map_err(Some),
        }
        let enqueuing = self.producer.enqueue(record);
        let (stop, trouble) = (&mut self.stop, &mut self.trouble);
        self.runtime.block_on(async {
            tokio::select! {
                enqueued = enqueuing => enqueued.map_err(Some),
                _ = stop.wait_for(Option::is_some) => Err(None),
                never = trouble.watch(err) => match never {},
            }
        })
    }

    /// Waits until it is known what became of a record. `None` when a signal came meanwhile.
    pub(crate) fn wait(&self, delivery: &mut Delivery) -> Option<Result<RecordMetadata, SendError>> {
        self.block_on(delivery)
    }

    /// What became of a record, if that is known.
    pub(crate) fn outcome(&self, delivery: &mut Delivery) -> Option<Result<RecordMetadata, SendError>> {
        match std::pin::Pin::new(delivery).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// Waits until so many records as a steady rate allows were sent since `begun`, or a signal came. Less than 0: at once.
    /// False when it is known earlier what became of a record that was to be watched.
    pub(crate) fn keep_rate(
        &self,
        begun: Instant,
        records: u64,
        per_second: f64,
        watched: Option<&mut Delivery>,
    ) -> bool {
        if per_second < 0.0 {
            return true;
        }
        // No rate at all is for ever.
        let due = Duration::try_from_secs_f64(records as f64 / per_second).unwrap_or(FOR_EVER);
        let Some(wait) = due.checked_sub(begun.elapsed()) else {
            return true;
        };
        let delivered = async {
            match watched {
                Some(delivery) => delivery.await,
                None => std::future::pending().await,
            }
        };
        let turn = self.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(wait.min(FOR_EVER)) => true,
                _ = delivered => false,
            }
        });
        turn.unwrap_or(true)
    }

    /// What failed since the last call, a line each.
    pub(crate) fn take_failures(&self) -> Vec<String> {
        std::mem::take(&mut lock(&self.outcomes).untold)
    }

    /// Delivers what is left and ends the producer; what became of the records.
    pub(crate) fn finish(&self) -> Finished {
        // A signal ends the wait, be it the first or one more.
        let signal = self.runtime.block_on(async {
            tokio::select! {
                _ = self.producer.close() => None,
                code = signal() => Some(code),
            }
        });
        let outcomes = lock(&self.outcomes);
        Finished {
            delivered: outcomes.delivered,
            failed: outcomes.failed,
            // The other listener may not have heard of this one yet.
            signal: self.stopped().or(signal),
        }
    }

    /// Ends without waiting for a thread that reads.
    pub(crate) fn shut_down(self) {
        self.runtime.shutdown_background();
    }
}

fn lock(outcomes: &Mutex<Outcomes>) -> MutexGuard<'_, Outcomes> {
    outcomes.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(outcomes: &Mutex<Outcomes>, report: &DeliveryReport<'_>) {
    let mut outcomes = lock(outcomes);
    match report.result {
        Ok(_) => outcomes.delivered += u64::from(report.records),
        Err(error) => {
            outcomes.failed += u64::from(report.records);
            if outcomes.untold.len() < MAX_UNTOLD {
                outcomes.untold.push(sentence(report.topic, report.records, error));
            }
        }
    }
}

fn sentence(topic: &str, records: u32, error: &SendError) -> String {
    let what = match records {
        1 => "message".to_owned(),
        count => format!("{count} messages"),
    };
    format!(
        "ERROR Error when sending {what} to topic {topic} with error: {}",
        words(error)
    )
}

/// A failure of one record that was not even taken in.
pub(crate) fn refused(topic: &str, error: &SendError) -> String {
    sentence(topic, 1, error)
}

/// An error as Java's producer has it, class first.
pub(crate) fn words(error: &SendError) -> String {
    const ERRORS: &str = "org.apache.kafka.common.errors";
    match error {
        SendError::Broker { code, message, .. } => exception(*code, message.as_deref()),
        SendError::TooLarge { size, limit, property } => format!(
            "{ERRORS}.RecordTooLargeException: The message is {size} bytes when serialized which is larger than {limit}, \
             which is the value of the {property} configuration."
        ),
        SendError::NoMetadata {
            topic,
            partition,
            after,
            last,
        } => {
            let what = match partition {
                Some(partition) => format!("Partition {partition} of topic {topic}"),
                None => format!("Topic {topic}"),
            };
            let reason = last.as_ref().map(|last| format!(" ({last})")).unwrap_or_default();
            format!(
                "{ERRORS}.TimeoutException: {what} not present in metadata after {} ms.{reason}",
                after.as_millis()
            )
        }
        SendError::Full { .. } | SendError::TimedOut { .. } => format!("{ERRORS}.TimeoutException: {error}"),
        SendError::Client(error) => match &**error {
            Error::Broker { code, message } => exception(*code, message.as_deref()),
            error => format!("org.apache.kafka.common.KafkaException: {error}"),
        },
        other => format!("org.apache.kafka.common.KafkaException: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_when_it_ends_is_unknown() {
        let finished = Finished {
            delivered: 3,
            failed: 2,
            signal: Some(130),
        };
        assert_eq!((finished.unknown(5), finished.unknown(9)), (0, 4));
    }
}
