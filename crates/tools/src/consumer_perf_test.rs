//! `klamm consumer-perf-test`: how fast a group's member reads, as Kafka's `kafka-consumer-perf-test`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use klamm_client::consumer::RebalanceListener;
use klamm_client::{Consumer, Properties, TopicPartition};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::spec::{COMMAND_CONFIG, Example, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};

pub(crate) const TOOL: Tool = Tool {
    name: "consumer-perf-test",
    script: Some("kafka-consumer-perf-test"),
    group: Group::Load,
    about: "Measure how fast records are read",
    long: "Reads at least `--num-records` records as a member of a group and prints one line of figures, or one each interval with \
           `--show-detailed-stats`. MB are 1,048,576 bytes of keys and values; the fetch figures leave out the time in which the \
           group formed. Times are in UTC.",
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        Flag::text("topic", "TOPIC", "The topic to read"),
        Flag::text(
            "include",
            "PATTERN",
            "Instead of `--topic`: a regular expression for the names of topics",
        ),
        Flag::long("num-records", "COUNT", "How many records to read at least").required_by_tool(),
        Flag::long("messages", "COUNT", "As `--num-records`").deprecated("--num-records"),
        Flag::text("group", "GROUP", "The group; one of its own if left out"),
        Flag::int("fetch-size", "BYTES", "Most bytes of a partition in one fetch").default("1048576"),
        Flag::switch(
            "from-latest",
            "Begin at the end where the group has no offset, not at the beginning",
        ),
        Flag::int("socket-buffer-size", "BYTES", "Receive buffer of each connection").default("2097152"),
        Flag::long("timeout", "MS", "End when no record came for so long")
            .value_optional()
            .default("10000"),
        Flag::long("reporting-interval", "MS", "How often `--show-detailed-stats` prints").default("5000"),
        Flag::text(
            "date-format",
            "FORMAT",
            "How times are written, in the letters of Java's SimpleDateFormat",
        )
        .default("yyyy-MM-dd HH:mm:ss:SSS"),
        Flag::switch("hide-header", "Leave out the line with the columns' names"),
        Flag::switch(
            "show-detailed-stats",
            "Print a line each interval instead of one in the end",
        ),
        Flag::switch("print-metrics", "Print counters of the consumer in the end"),
        Flag::text(
            "command-property",
            "KEY=VALUE",
            "A setting of the consumer, over those of `--command-config`",
        )
        .repeated(),
        COMMAND_CONFIG,
        Flag::file("consumer.config", "FILE", "As `--command-config`").deprecated("--command-config"),
    ],
    examples: &[
        Example {
            does: "A million records of a topic",
            line: "consumer-perf-test --bootstrap-server localhost:9092 --topic orders --num-records 1000000",
        },
        Example {
            does: "Figures every second",
            line: "consumer-perf-test --bootstrap-server localhost:9092 --topic orders --num-records 10000000 --show-detailed-stats --reporting-interval 1000",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::joptsimple()
};

const EXTENDED: &str = ", rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec";
const MB: f64 = 1024.0 * 1024.0;

/// The time that the group took to form, in all and since the last report.
#[derive(Default)]
struct Joins {
    began: AtomicI64,
    all: AtomicI64,
    since_report: AtomicI64,
}

struct Listener(Arc<Joins>);

impl RebalanceListener for Listener {
    async fn assigned(&self, _: &Consumer, _: &[TopicPartition]) {
        let took = now_ms() - self.0.began.load(Ordering::Relaxed);
        self.0.all.fetch_add(took, Ordering::Relaxed);
        self.0.since_report.fetch_add(took, Ordering::Relaxed);
    }

    async fn revoked(&self, _: &Consumer, _: &[TopicPartition]) {
        self.0.began.store(now_ms(), Ordering::Relaxed);
    }
}

/// What was read so far.
#[derive(Clone, Copy, Default)]
struct Count {
    bytes: u64,
    records: u64,
}

struct Options {
    records: u64,
    timeout_ms: i64,
    interval_ms: i64,
    detailed: bool,
    dates: String,
}

fn run(call: &mut Call) -> Outcome {
    check_flags(&call.args)?;
    let properties = properties(&call.args)?;
    let args = &call.args;
    let records = args.long("num-records").or_else(|| args.long("messages"));
    let options = Options {
        records: records
            .and_then(|records| u64::try_from(records).ok())
            .unwrap_or_default(),
        timeout_ms: args.long("timeout").unwrap_or(10_000),
        interval_ms: args.long("reporting-interval").unwrap_or(5000),
        detailed: args.has("show-detailed-stats"),
        dates: args.get("date-format").unwrap_or_default().to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::own(format!("can't start: {error}")))?;
    let outcome = runtime.block_on(measure(call, properties, &options));
    runtime.shutdown_background();
    outcome
}

fn check_flags(args: &Matches) -> Result<(), Failure> {
    for (one, other) in [("topic", "include"), ("num-records", "messages")] {
        if args.has(one) == args.has(other) {
            let message = format!("Exactly one of the following arguments is required: [{one}], [{other}]");
            return Err(check::usage(args, message));
        }
    }
    check::required(args, &["bootstrap-server"])
}

fn properties(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = connect::file(args, "consumer.config")?;
    properties.extend(&connect::file(args, "command-config")?);
    let pairs = args.all("command-property").into_iter();
    let pairs: Properties = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    properties.extend(&pairs);
    properties.set("bootstrap.servers", args.get("bootstrap-server").unwrap_or_default());
    properties.set_default("client.id", "perf-consumer-client");
    let group = args
        .get("group")
        .map_or_else(|| format!("perf-consumer-{}", now_ms() % 100_000), str::to_owned);
    properties.set("group.id", group);
    properties.set(
        "receive.buffer.bytes",
        args.get("socket-buffer-size").unwrap_or_default(),
    );
    properties.set("max.partition.fetch.bytes", args.get("fetch-size").unwrap_or_default());
    properties.set(
        "auto.offset.reset",
        if args.has("from-latest") { "latest" } else { "earliest" },
    );
    properties.set("check.crcs", "false");
    Ok(properties)
}

async fn measure(call: &mut Call, properties: Properties, options: &Options) -> Outcome {
    if !call.args.has("hide-header") {
        let columns = match options.detailed {
            true => "time, threadId, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec",
            false => "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec",
        };
        call.out.line(format_args!("{columns}{EXTENDED}"))?;
        call.out.flush()?;
    }
    let client = connect::client_of(properties)?;
    let joins = Arc::new(Joins::default());
    let started = now_ms();
    joins.began.store(started, Ordering::Relaxed);
    let builder = Consumer::builder(client).listener(Listener(joins.clone()));
    let builder = match call.args.get("topic") {
        Some(topic) => builder.subscribe([topic]),
        None => builder.subscribe_pattern(call.args.get("include").unwrap_or_default()),
    };
    let consumer = builder.build().await.map_err(|error| Failure::own(error.to_string()))?;
    let count = read(call, &consumer, options, &joins).await?;
    let ended = now_ms();
    let _ = consumer.close().await;
    if !options.detailed {
        print_total(
            call,
            options,
            count,
            (started, ended),
            joins.all.load(Ordering::Relaxed),
        )?;
    }
    if call.args.has("print-metrics") {
        call.out.line(format_args!(
            "consumer-fetch-manager-metrics:bytes-consumed-total:{{}} : {}",
            count.bytes
        ))?;
        call.out.line(format_args!(
            "consumer-fetch-manager-metrics:records-consumed-total:{{}} : {}",
            count.records
        ))?;
    }
    Ok(())
}

async fn read(call: &mut Call, consumer: &Consumer, options: &Options, joins: &Joins) -> Result<Count, Failure> {
    let (mut count, mut reported) = (Count::default(), Count::default());
    let mut now = now_ms();
    let (mut last_report, mut last_record) = (now, now);
    while count.records < options.records && now - last_record <= options.timeout_ms {
        let records = consumer.poll(Duration::from_millis(100)).await;
        let records = records.map_err(|error| Failure::own(error.to_string()))?;
        now = now_ms();
        if !records.is_empty() {
            last_record = now;
        }
        for record in &records {
            count.records += 1;
            count.bytes += (record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len)) as u64;
            if now - last_report >= options.interval_ms {
                if options.detailed {
                    let joined = joins.since_report.swap(0, Ordering::Relaxed);
                    print_progress(call, options, count, reported, (last_report, now), joined)?;
                }
                (last_report, reported) = (now, count);
            }
        }
    }
    if count.records < options.records {
        call.out.line(format_args!(
            "WARNING: Exiting before consuming the expected number of messages: timeout ({} ms) exceeded. You can use the \
             --timeout option to increase the timeout.",
            options.timeout_ms
        ))?;
    }
    Ok(count)
}

fn print_total(call: &mut Call, options: &Options, count: Count, (start, end): (i64, i64), joined: i64) -> Outcome {
    let seconds = (end - start) as f64 / 1000.0;
    let fetching = end - start - joined;
    let fetch_seconds = fetching as f64 / 1000.0;
    let (mb, records) = (count.bytes as f64 / MB, count.records as f64);
    call.out.line(format_args!(
        "{}, {}, {}, {}, {}, {}, {joined}, {fetching}, {}, {}",
        date(&options.dates, start),
        date(&options.dates, end),
        decimal(mb),
        decimal(mb / seconds),
        count.records,
        decimal(records / seconds),
        decimal(mb / fetch_seconds),
        decimal(records / fetch_seconds),
    ))
}

fn print_progress(
    call: &mut Call,
    options: &Options,
    count: Count,
    before: Count,
    (start, end): (i64, i64),
    joined: i64,
) -> Outcome {
    let elapsed = (end - start) as f64;
    let fetching = end - start - joined;
    let mb = (count.bytes - before.bytes) as f64 / MB;
    let records = (count.records - before.records) as f64;
    let while_fetching = |amount: f64| {
        if fetching <= 0 {
            0.0
        } else {
            1000.0 * amount / fetching as f64
        }
    };
    call.out.line(format_args!(
        "{}, 0, {}, {}, {}, {}, {joined}, {fetching}, {}, {}",
        date(&options.dates, end),
        decimal(count.bytes as f64 / MB),
        decimal(1000.0 * mb / elapsed),
        count.records,
        decimal(1000.0 * records / elapsed),
        decimal(while_fetching(mb)),
        decimal(while_fetching(records)),
    ))?;
    call.out.flush()
}

/// As Java's `%.4f`.
pub(crate) fn decimal(number: f64) -> String {
    match number.is_infinite() {
        true => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        false => format!("{number:.4}"),
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
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
}
