//! Records from standard input into a producer, as fast as they can be read: what the producing tools have in common.
//!
//! [`Feed`] is a producer that runs on a thread of its own and takes records from a plain loop on this one; [`Input`] reads ahead
//! on a third, and [`Splitter`] cuts what it read into lines or other pieces without copying them. Signals are heard all the
//! while. `produce`, `console-producer`, `producer-perf-test` and `verifiable-producer` are built on it.

mod input;

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use klamm_client::producer::DeliveryReport;
use klamm_client::{Delivery, Error, Producer, Properties, Record, RecordMetadata, SendError};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::console_consumer::signal;
use crate::output::{Failure, Messages, exception};
use crate::trouble::Trouble;
pub(crate) use input::{Came, Input, Splitter, Terminator, position};

/// A producer on a thread of its own, fed by this one.
pub(crate) struct Feed {
    runtime: Runtime,
    producer: Producer,
    trouble: Trouble,
    stop: watch::Receiver<Option<u8>>,
    failures: Arc<Mutex<Failures>>,
}

/// Batches that failed and have not been told of yet, and all records that failed.
#[derive(Default)]
struct Failures {
    untold: Vec<String>,
    records: u64,
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
        let failures = Arc::new(Mutex::new(Failures::default()));
        let hook = {
            let failures = failures.clone();
            move |report: &DeliveryReport<'_>| {
                note(&failures, report);
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
            failures,
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
        std::mem::take(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner).untold)
    }

    /// Delivers what is left and ends the producer; how many records have failed.
    pub(crate) fn finish(&self) -> u64 {
        // A second signal ends the wait.
        let closing = async {
            tokio::select! {
                _ = self.producer.close() => {}
                () = async { signal().await; } => {}
            }
        };
        self.runtime.block_on(closing);
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).records
    }

    /// Ends without waiting for a thread that reads.
    pub(crate) fn shut_down(self) {
        self.runtime.shutdown_background();
    }
}

fn note(failures: &Mutex<Failures>, report: &DeliveryReport<'_>) {
    if let Err(error) = report.result {
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.records += u64::from(report.records);
        if failures.untold.len() < MAX_UNTOLD {
            let line = sentence(report.topic, report.records, error);
            failures.untold.push(line);
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
