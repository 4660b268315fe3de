//! Rates and latencies of records, told in Kafka's lines.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Most latencies that are kept; of more records, every second, third and so on counts for the percentiles.
const MAX_SAMPLES: u64 = 500_000;

/// What was measured, and what of it is to be told.
pub(super) struct Stats {
    total: Tally,
    steady: Option<Tally>,
    records: u64,
    warmup: u64,
    window: Window,
    interval: Duration,
    partitions: BTreeMap<i32, Partition>,
    windows: Vec<Report>,
}

/// What is told of some records.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    of: Of,
    records: u64,
    records_per_sec: f64,
    mb_per_sec: f64,
    avg_latency_ms: f64,
    max_latency_ms: u64,
    /// Median, 95th, 99th and 99.9th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_percentiles_ms: Option<[u32; 4]>,
}

/// Which records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    Interval,
    Total,
    Steady,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            records,
            records_per_sec: rate,
            mb_per_sec: megabytes,
            avg_latency_ms: average,
            ..
        } = self;
        let max = self.max_latency_ms as f64;
        let kind = if self.of == Of::Steady { " steady state" } else { "" };
        let Some([half, p95, p99, p999]) = self.latency_percentiles_ms else {
            return write!(
                f,
                "{records} records sent, {rate:.1} records/sec ({megabytes:.2} MB/sec), {average:.1} ms avg latency, \
                 {max:.1} ms max latency."
            );
        };
        write!(
            f,
            "{records}{kind} records sent, {rate:.6} records/sec ({megabytes:.2} MB/sec), {average:.2} ms avg latency, \
             {max:.2} ms max latency, {half} ms 50th, {p95} ms 95th, {p99} ms 99th, {p999} ms 99.9th."
        )
    }
}

/// Records of a partition on their way, oldest first.
#[derive(Default)]
struct Partition {
    sent: VecDeque<(Instant, usize)>,
    /// Acknowledgements that came before the hand-over was noted, with their time.
    ahead: VecDeque<(Instant, bool)>,
}

struct Window {
    begun: Instant,
    count: u64,
    bytes: u64,
    latency_ms: u64,
    max_ms: u64,
}

/// All records from some record on.
struct Tally {
    begun: Instant,
    count: u64,
    bytes: u64,
    latency_ms: u64,
    max_ms: u64,
    every: u64,
    samples: Vec<u32>,
}

impl Window {
    fn new(begun: Instant) -> Window {
        Window {
            begun,
            count: 0,
            bytes: 0,
            latency_ms: 0,
            max_ms: 0,
        }
    }
}

impl Tally {
    fn new(begun: Instant, records: u64) -> Tally {
        Tally {
            begun,
            count: 0,
            bytes: 0,
            latency_ms: 0,
            max_ms: 0,
            every: records / records.clamp(1, MAX_SAMPLES),
            samples: Vec::new(),
        }
    }

    fn add(&mut self, latency_ms: u64, bytes: usize) {
        if self.count.is_multiple_of(self.every.max(1)) {
            self.samples.push(u32::try_from(latency_ms).unwrap_or(u32::MAX));
        }
        self.count += 1;
        self.bytes += bytes as u64;
        self.latency_ms += latency_ms;
        self.max_ms = self.max_ms.max(latency_ms);
    }

    fn report(&mut self, of: Of) -> Report {
        self.samples.sort_unstable();
        let at = |part: f64| {
            let index = (part * self.samples.len() as f64) as usize;
            self.samples.get(index).copied().unwrap_or(0)
        };
        let percentiles = [0.5, 0.95, 0.99, 0.999].map(at);
        let sums = (self.count, self.bytes, self.latency_ms, self.max_ms);
        report(of, self.begun, sums, Some(percentiles))
    }
}

/// Of the number of records, their bytes and the sum and the highest of their latencies.
fn report(of: Of, begun: Instant, sums: (u64, u64, u64, u64), latency_percentiles_ms: Option<[u32; 4]>) -> Report {
    let (records, bytes, latency_ms, max_latency_ms) = sums;
    let seconds = begun.elapsed().as_millis().max(1) as f64 / 1000.0;
    Report {
        of,
        records,
        records_per_sec: records as f64 / seconds,
        mb_per_sec: bytes as f64 / seconds / (1024.0 * 1024.0),
        avg_latency_ms: latency_ms as f64 / records as f64,
        max_latency_ms,
        latency_percentiles_ms,
    }
}

impl Stats {
    /// For so many records, of which the first `warmup` do not count for the steady state.
    pub(super) fn new(records: u64, warmup: u64, interval: Duration) -> Stats {
        let now = Instant::now();
        Stats {
            total: Tally::new(now, records),
            steady: None,
            records,
            warmup,
            window: Window::new(now),
            interval,
            partitions: BTreeMap::new(),
            windows: Vec::new(),
        }
    }

    /// A record was handed over.
    pub(super) fn on_send(&mut self, partition: i32, at: Instant, bytes: usize) {
        let known = self.partitions.entry(partition).or_default();
        match known.ahead.pop_front() {
            Some((acknowledged, ok)) => self.add(at, acknowledged, bytes, ok),
            None => known.sent.push_back((at, bytes)),
        }
    }

    /// The oldest records of a partition were acknowledged, or failed.
    pub(super) fn on_batch(&mut self, partition: i32, records: u32, ok: bool) {
        let now = Instant::now();
        for _ in 0..records {
            let known = self.partitions.entry(partition).or_default();
            match known.sent.pop_front() {
                Some((at, bytes)) => self.add(at, now, bytes, ok),
                None => known.ahead.push_back((now, ok)),
            }
        }
    }

    fn add(&mut self, sent: Instant, acknowledged: Instant, bytes: usize, ok: bool) {
        if !ok {
            return;
        }
        let latency_ms = acknowledged.saturating_duration_since(sent).as_millis() as u64;
        self.total.add(latency_ms, bytes);
        if self.warmup > 0 && self.total.count > self.warmup {
            let records = self.records.saturating_sub(self.warmup);
            let steady = self.steady.get_or_insert_with(|| Tally::new(sent, records));
            steady.add(latency_ms, bytes);
        }
        let window = &mut self.window;
        window.count += 1;
        window.bytes += bytes as u64;
        window.latency_ms += latency_ms;
        window.max_ms = window.max_ms.max(latency_ms);
        if window.begun.elapsed() >= self.interval {
            let sums = (window.count, window.bytes, window.latency_ms, window.max_ms);
            self.windows.push(report(Of::Interval, window.begun, sums, None));
            *window = Window::new(Instant::now());
        }
    }

    /// Windows that have ended.
    pub(super) fn take_windows(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.windows)
    }

    /// What is told in the end.
    pub(super) fn totals(&mut self) -> Vec<Report> {
        let total = self.total.report(Of::Total);
        let steady = self.steady.as_mut().map(|steady| steady.report(Of::Steady));
        std::iter::once(total).chain(steady).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_may_come_before_the_hand_over_is_noted() {
        let mut stats = Stats::new(3, 0, Duration::from_secs(60));
        let now = Instant::now();
        stats.on_batch(0, 1, true);
        stats.on_send(0, now, 100);
        stats.on_send(0, now, 100);
        stats.on_send(1, now, 100);
        stats.on_batch(1, 1, false);
        assert_eq!(stats.total.count, 1);
        stats.on_batch(0, 1, true);
        assert_eq!((stats.total.count, stats.total.bytes), (2, 200));
        let lines: Vec<String> = stats.totals().iter().map(Report::to_string).collect();
        assert!(
            lines.len() == 1 && lines[0].starts_with("2 records sent, "),
            "{lines:?}"
        );
        assert!(lines[0].ends_with(" ms 99.9th."), "{lines:?}");
    }

    #[test]
    fn of_many_records_only_some_are_samples() {
        let now = Instant::now();
        let mut stats = Stats::new(4 * MAX_SAMPLES + 1, 1, Duration::from_secs(60));
        for _ in 0..9 {
            stats.on_send(0, now, 100);
        }
        stats.on_batch(0, 9, true);
        let steady = stats.steady.as_ref().unwrap();
        assert_eq!((steady.count, steady.every, steady.samples.len()), (8, 4, 2));
        assert_eq!((stats.total.count, stats.total.samples.len()), (9, 3));
    }

    #[test]
    fn percentiles_are_kafkas() {
        let mut tally = Tally::new(Instant::now(), 100);
        for latency in (1..=100).rev() {
            tally.add(latency, 10);
        }
        let report = tally.report(Of::Steady);
        let line = report.to_string();
        let expected =
            "50.50 ms avg latency, 100.00 ms max latency, 51 ms 50th, 96 ms 95th, 100 ms 99th, 100 ms 99.9th.";
        let json = serde_json::to_string(&report).unwrap();
        assert!(
            json.starts_with("{\"of\":\"steady\",\"records\":100,\"records_per_sec\":"),
            "{json}"
        );
        assert!(json.ends_with("\"latency_percentiles_ms\":[51,96,100,100]}"), "{json}");
        assert!(
            line.starts_with("100 steady state records sent, ") && line.ends_with(expected),
            "{line}"
        );
    }
}
