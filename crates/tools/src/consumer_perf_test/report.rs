//! The lines of `klamm consumer-perf-test`.

use serde::Serialize;

use super::Count;
use crate::call::{Call, Outcome};

const MB: f64 = 1024.0 * 1024.0;

/// The names of the columns.
pub(super) fn header(detailed: bool) -> String {
    let first = match detailed {
        true => "time, threadId",
        false => "start.time, end.time",
    };
    format!(
        "{first}, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, \
         fetch.nMsg.sec"
    )
}

/// All of a run. Rates are by second, and infinite when no time passed.
#[derive(Debug, Serialize)]
pub(super) struct Total {
    start_ms: i64,
    end_ms: i64,
    mb: f64,
    mb_per_sec: f64,
    records: u64,
    records_per_sec: f64,
    rebalance_ms: i64,
    fetch_ms: i64,
    fetch_mb_per_sec: f64,
    fetch_records_per_sec: f64,
}

impl Total {
    /// `joined`: milliseconds in which the group formed.
    pub(super) fn new(count: Count, start_ms: i64, end_ms: i64, joined: i64) -> Total {
        let seconds = (end_ms - start_ms) as f64 / 1000.0;
        let fetch_ms = end_ms - start_ms - joined;
        let fetching = fetch_ms as f64 / 1000.0;
        let (mb, records) = (count.bytes as f64 / MB, count.records as f64);
        Total {
            start_ms,
            end_ms,
            mb,
            mb_per_sec: mb / seconds,
            records: count.records,
            records_per_sec: records / seconds,
            rebalance_ms: joined,
            fetch_ms,
            fetch_mb_per_sec: mb / fetching,
            fetch_records_per_sec: records / fetching,
        }
    }

    pub(super) fn print(&self, call: &mut Call, dates: &str) -> Outcome {
        if call.out.is_json() {
            return call.out.json(self);
        }
        call.out.line(format_args!(
            "{}, {}, {}, {}, {}, {}, {}, {}, {}, {}",
            date(dates, self.start_ms),
            date(dates, self.end_ms),
            decimal(self.mb),
            decimal(self.mb_per_sec),
            self.records,
            decimal(self.records_per_sec),
            self.rebalance_ms,
            self.fetch_ms,
            decimal(self.fetch_mb_per_sec),
            decimal(self.fetch_records_per_sec),
        ))
    }
}

/// What was read between two reports: amounts of the whole run, rates of the interval.
#[derive(Debug, Serialize)]
pub(super) struct Interval {
    time_ms: i64,
    mb: f64,
    mb_per_sec: f64,
    records: u64,
    records_per_sec: f64,
    rebalance_ms: i64,
    fetch_ms: i64,
    fetch_mb_per_sec: f64,
    fetch_records_per_sec: f64,
}

impl Interval {
    pub(super) fn new(count: Count, before: Count, start_ms: i64, end_ms: i64, joined: i64) -> Interval {
        let elapsed = (end_ms - start_ms) as f64;
        let fetch_ms = end_ms - start_ms - joined;
        let mb = (count.bytes - before.bytes) as f64 / MB;
        let records = (count.records - before.records) as f64;
        let while_fetching = |amount: f64| match fetch_ms <= 0 {
            true => 0.0,
            false => 1000.0 * amount / fetch_ms as f64,
        };
        Interval {
            time_ms: end_ms,
            mb: count.bytes as f64 / MB,
            mb_per_sec: 1000.0 * mb / elapsed,
            records: count.records,
            records_per_sec: 1000.0 * records / elapsed,
            rebalance_ms: joined,
            fetch_ms,
            fetch_mb_per_sec: while_fetching(mb),
            fetch_records_per_sec: while_fetching(records),
        }
    }

    pub(super) fn print(&self, call: &mut Call, dates: &str) -> Outcome {
        if call.out.is_json() {
            call.out.json(self)?;
            return call.out.flush();
        }
        // Kafka's tool has one thread by now, and still names it.
        call.out.line(format_args!(
            "{}, 0, {}, {}, {}, {}, {}, {}, {}, {}",
            date(dates, self.time_ms),
            decimal(self.mb),
            decimal(self.mb_per_sec),
            self.records,
            decimal(self.records_per_sec),
            self.rebalance_ms,
            self.fetch_ms,
            decimal(self.fetch_mb_per_sec),
            decimal(self.fetch_records_per_sec),
        ))?;
        call.out.flush()
    }
}

/// As Java's `%.4f`.
pub(crate) fn decimal(number: f64) -> String {
    match number.is_infinite() {
        true => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        false => format!("{number:.4}"),
    }
}

/// A time in UTC by the letters of `SimpleDateFormat` that stand for digits; the others stand for themselves.
fn date(format: &str, ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = civil(days);
    let mut out = String::new();
    let mut letters = format.chars().peekable();
    while let Some(letter) = letters.next() {
        let mut width = 1;
        while letter.is_ascii_alphabetic() && letters.next_if_eq(&letter).is_some() {
            width += 1;
        }
        let number = match letter {
            'y' if width == 2 => year % 100,
            'y' => year,
            'M' => month,
            'd' => day,
            'H' => rest / 3_600_000,
            'm' => rest / 60_000 % 60,
            's' => rest / 1000 % 60,
            'S' => rest % 1000,
            '\'' => continue,
            other => {
                out.extend(std::iter::repeat_n(other, width));
                continue;
            }
        };
        out.push_str(&format!("{number:0width$}"));
    }
    out
}

/// Year, month and day of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_numbers_are_javas() {
        assert_eq!(
            date("yyyy-MM-dd HH:mm:ss:SSS", 1_767_323_045_678),
            "2026-01-02 03:04:05:678"
        );
        assert_eq!(date("dd.MM.yy", 951_782_400_000), "29.02.00");
        assert_eq!(
            (decimal(1.0 / 3.0), decimal(1.0 / 0.0)),
            ("0.3333".to_owned(), "Infinity".to_owned())
        );
        assert_eq!(decimal(f64::NAN), "NaN");
    }

    #[test]
    fn rates_leave_out_the_time_in_which_the_group_formed() {
        let count = |records, megabytes: u64| Count {
            records,
            bytes: megabytes << 20,
        };
        let total = Total::new(count(100, 10), 1000, 3000, 1000);
        assert_eq!((total.mb_per_sec, total.fetch_mb_per_sec), (5.0, 10.0));
        assert_eq!((total.records_per_sec, total.fetch_records_per_sec), (50.0, 100.0));
        let interval = Interval::new(count(100, 10), count(50, 5), 1000, 2000, 1000);
        assert_eq!((interval.mb, interval.mb_per_sec), (10.0, 5.0));
        assert_eq!((interval.fetch_ms, interval.fetch_mb_per_sec), (0, 0.0));
    }
}
