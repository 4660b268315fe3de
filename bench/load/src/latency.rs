//! How long a record takes from where it is due to where it is read, at a fixed rate.
//!
//! A thread of its own enqueues each record when it is due, whatever became of those before, and the time that counts begins
//! when it was due: a broker that stalls is charged for all records that it held up (coordinated omission). Producer and
//! consumer have a thread each, and defaults but for what is said here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use klamm_client::{Acks, Client, Consumer, Producer, Record, TopicPartition};

use crate::batches::Words;
use crate::figures;
use crate::options::Options;

/// Records that come this late after the last one was due are lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// The value of records that do not count.
const MARK: [u8; 8] = [0xFF; 8];

/// What is produced.
#[derive(Clone, Copy)]
struct Load {
    records: u64,
    /// Of a value, which has room for a number.
    size: usize,
    partitions: i32,
}

/// When each record is due.
#[derive(Clone, Copy)]
struct Schedule {
    begin: Instant,
    rate: u64,
}

impl Schedule {
    fn due(&self, record: u64) -> Instant {
        self.begin + Duration::from_nanos(record.saturating_mul(1_000_000_000) / self.rate)
    }

    /// Microseconds from when a record was due.
    fn late(&self, record: u64, now: Instant) -> u32 {
        let late = now.saturating_duration_since(self.due(record)).as_micros();
        u32::try_from(late).unwrap_or(u32::MAX)
    }
}

/// The figure below which so many of a million are; of sorted figures.
fn percentile(sorted: &[u32], of_a_million: usize) -> f64 {
    let rank = (sorted.len() * of_a_million).div_ceil(1_000_000).max(1);
    sorted
        .get(rank - 1)
        .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
}

pub(crate) fn run(options: &Options<'_>) -> Result<(), String> {
    let topic: String = options.get("topic")?;
    let partitions: i32 = options.get("partitions")?;
    let bootstrap: String = options.get("bootstrap")?;
    let rate: u64 = options.get("rate")?;
    let seconds: u64 = options.get("seconds")?;
    let unmeasured = rate * options.get_or("unmeasured-seconds", 2)?;
    let load = Load {
        records: unmeasured + rate * seconds,
        size: options.get::<usize>("record-size")?.max(8),
        partitions,
    };
    let (producing, producer) = on_a_thread(|| start_producer(bootstrap.clone()))?;
    let (consuming, consumer) = on_a_thread(|| start_consumer(bootstrap, topic.clone(), partitions))?;
    let producer = Arc::new(producer);
    let marking = producing.spawn(mark(producer.clone(), topic.clone(), partitions));
    consuming.block_on(see_marks(&consumer, partitions as usize))?;
    marking.abort();
    let schedule = Schedule {
        begin: Instant::now() + Duration::from_millis(100),
        rate,
    };
    let pacer = {
        let producer = producer.clone();
        std::thread::spawn(move || pace(&producer, &topic, load, schedule))
    };
    let reading = consuming.spawn(read(consumer, schedule, load.records));
    pacer.join().map_err(|_| "the pacer panicked")??;
    let mut late = consuming.block_on(reading).map_err(|error| error.to_string())??;
    producing
        .block_on(producer.close())
        .map_err(|error| error.to_string())?;
    let measured = &mut late[unmeasured as usize..];
    measured.sort_unstable();
    let at = |of_a_million| percentile(measured, of_a_million);
    figures::print(&[
        ("records", measured.len() as f64),
        ("p50_ms", at(500_000)),
        ("p99_ms", at(990_000)),
        ("p999_ms", at(999_000)),
        ("max_ms", at(1_000_000)),
    ]);
    Ok(())
}

/// A runtime with one thread of its own, which serves as soon as something is spawned, and what was started there.
fn on_a_thread<T, F: Future<Output = Result<T, String>>>(
    start: impl FnOnce() -> F,
) -> Result<(tokio::runtime::Runtime, T), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let started = runtime.block_on(start())?;
    Ok((runtime, started))
}

async fn start_producer(bootstrap: String) -> Result<Producer, String> {
    Producer::builder(bootstrap.as_str())
        .acks(Acks::All)
        .linger(Duration::ZERO)
        .build()
        .await
        .map_err(|error| error.to_string())
}

/// Sends marks to all partitions until it is stopped, so that the producer knows all leaders.
async fn mark(producer: Arc<Producer>, topic: String, partitions: i32) {
    loop {
        for partition in 0..partitions {
            let mark = Record::to(topic.as_str()).partition(partition).value(&MARK[..]);
            let _ = producer.send(mark).await; // the consumer sees what comes of it
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads until a mark came from each partition: then the consumer is at the end of all of them.
async fn see_marks(consumer: &Consumer, partitions: usize) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let given_up = Instant::now() + PATIENCE;
    while seen.len() < partitions {
        if Instant::now() > given_up {
            return Err(format!("marks came from {} of {partitions} partitions", seen.len()));
        }
        let polled = consumer
            .poll(Duration::from_secs(1))
            .await
            .map_err(|error| error.to_string())?;
        seen.extend(polled.iter().map(|record| record.partition()));
    }
    Ok(())
}

async fn start_consumer(bootstrap: String, topic: String, partitions: i32) -> Result<Consumer, String> {
    let client = Client::connect(bootstrap.as_str())
        .await
        .map_err(|error| error.to_string())?;
    Consumer::builder(&client)
        .assign((0..partitions).map(|partition| TopicPartition::new(topic.as_str(), partition)))
        .property("auto.offset.reset", "latest")
        .build()
        .await
        .map_err(|error| error.to_string())
}

/// Enqueues each record when it is due. Its number stands at the beginning of its value.
fn pace(producer: &Producer, topic: &str, load: Load, schedule: Schedule) -> Result<(), String> {
    let mut value = Words::new(1).value(load.size);
    for record in 0..load.records {
        let wait = schedule.due(record).saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        value[..8].copy_from_slice(&record.to_be_bytes());
        let to = Record::to(topic)
            .partition((record % load.partitions as u64) as i32)
            .value(&value);
        drop(producer.try_enqueue(to).map_err(|error| error.to_string())?);
    }
    Ok(())
}

/// How late each record came.
async fn read(consumer: Consumer, schedule: Schedule, records: u64) -> Result<Vec<u32>, String> {
    let mut late = vec![0; records as usize];
    let mut missing = records;
    let given_up = schedule.due(records) + PATIENCE;
    while missing > 0 {
        if Instant::now() > given_up {
            return Err(format!("{missing} of {records} records did not come"));
        }
        let polled = consumer
            .poll(Duration::from_secs(1))
            .await
            .map_err(|error| error.to_string())?;
        let now = Instant::now();
        for record in &polled {
            let number = record.value().and_then(|value| value.first_chunk()).copied();
            let number: [u8; 8] = number.ok_or("a record without a number")?;
            if number == MARK {
                continue;
            }
            let number = u64::from_be_bytes(number);
            *late.get_mut(number as usize).ok_or("a record of another run")? = schedule.late(number, now);
            missing = missing.saturating_sub(1);
        }
    }
    consumer.close().await.map_err(|error| error.to_string())?;
    Ok(late)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures: Vec<u32> = (1..=1000).map(|n| n * 1000).collect();
        assert_eq!(percentile(&figures, 500_000), 500.0);
        assert_eq!(percentile(&figures, 990_000), 990.0);
        assert_eq!(percentile(&figures, 999_000), 999.0);
        assert_eq!(percentile(&figures, 1_000_000), 1000.0);
        assert_eq!(percentile(&[7000], 500_000), 7.0);
        assert!(percentile(&[], 500_000).is_nan());
    }

    #[test]
    fn a_stall_is_charged_to_all_that_were_due_in_it() {
        let schedule = Schedule {
            begin: Instant::now(),
            rate: 1000,
        };
        // A broker that answers at once, but for 10 ms in which it does nothing: ten records come together.
        let end = schedule.begin + Duration::from_millis(10);
        let late: Vec<u32> = (0..10).map(|record| schedule.late(record, end)).collect();
        assert_eq!(late, [10_000, 9000, 8000, 7000, 6000, 5000, 4000, 3000, 2000, 1000]);
        assert_eq!(schedule.late(20, end), 0, "not due yet");
    }
}
