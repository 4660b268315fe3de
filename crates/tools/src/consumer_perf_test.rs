//! `klamm consumer-perf-test`: how fast a group's member reads, as Kafka's `kafka-consumer-perf-test`.

mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use klamm_client::consumer::RebalanceListener;
use klamm_client::{Consumer, Properties, TopicPartition};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::signals::{interrupted, signal};
use crate::spec::{COMMAND_CONFIG, Example, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};
use crate::time::now_ms;
use crate::trouble::Trouble;
pub(crate) use report::decimal;
use report::{Interval, Total, header};

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
#[derive(Clone, Copy, Debug, Default)]
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
    check_flags(call)?;
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
    // Records are fetched on a thread of their own while this one counts.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::own(format!("can't start: {error}")))?;
    let outcome = runtime.block_on(measure(call, properties, &options));
    runtime.shutdown_background();
    outcome
}

fn check_flags(call: &mut Call) -> Outcome {
    let args = &call.args;
    check::required(args, &["bootstrap-server"])?;
    for (one, other) in [("topic", "include"), ("messages", "num-records")] {
        if args.has(one) == args.has(other) {
            let message = format!("Exactly one of the following arguments is required: [{one}], [{other}]");
            return Err(check::usage(args, message));
        }
    }
    check::invalid(args, "consumer.config", &["command-config"])?;
    for (old, new) in [("messages", "num-records"), ("consumer.config", "command-config")] {
        if call.args.has(old) {
            call.out
                .note(format_args!("Warning: --{old} is deprecated. Use --{new} instead."))?;
        }
    }
    Ok(())
}

fn properties(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = connect::file(args, "consumer.config")?;
    properties.extend(&connect::file(args, "command-config")?);
    let pairs = args.all("command-property").into_iter();
    let pairs: Properties = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    properties.extend(&pairs);
    properties.set("bootstrap.servers", args.get("bootstrap-server").unwrap_or_default());
    properties.set_default("client.id", "perf-consumer-client");
    let own_group = || format!("perf-consumer-{}", now_ms() % 100_000);
    properties.set("group.id", args.get("group").map_or_else(own_group, str::to_owned));
    properties.set(
        "receive.buffer.bytes",
        args.get("socket-buffer-size").unwrap_or_default(),
    );
    properties.set("max.partition.fetch.bytes", args.get("fetch-size").unwrap_or_default());
    let reset = if args.has("from-latest") { "latest" } else { "earliest" };
    properties.set("auto.offset.reset", reset);
    properties.set("check.crcs", "false");
    Ok(properties)
}

async fn measure(call: &mut Call, properties: Properties, options: &Options) -> Outcome {
    if !call.args.has("hide-header") {
        call.out.note(header(options.detailed))?;
        call.out.flush()?;
    }
    if options.interval_ms <= 0 {
        return Err(Failure::kafka("Reporting interval must be greater than 0."));
    }
    let client = connect::client_of(properties)?;
    let mut trouble = Trouble::new(client.clone());
    let joins = Arc::new(Joins::default());
    let started = now_ms();
    joins.began.store(started, Ordering::Relaxed);
    let builder = Consumer::builder(client).listener(Listener(joins.clone()));
    let builder = match call.args.get("topic") {
        Some(topic) => builder.subscribe([topic]),
        None => builder.subscribe_pattern(call.args.get("include").unwrap_or_default()),
    };
    let consumer = builder.build().await.map_err(|error| Failure::own(error.to_string()))?;
    let (count, stopped) = read(call, &consumer, options, &joins, &mut trouble).await?;
    let ended = now_ms();
    // Nothing is left to do about a group that can't be left.
    let _left = consumer.close().await;
    if !options.detailed {
        Total::new(count, started, ended, joins.all.load(Ordering::Relaxed)).print(call, &options.dates)?;
    }
    if call.args.has("print-metrics") {
        print_metrics(call, count)?;
    }
    stopped.map_or(Ok(()), |code| Err(interrupted(code)))
}

/// Reads until there is enough or nothing comes any more. With the exit code of a signal, if one came.
async fn read(
    call: &mut Call,
    consumer: &Consumer,
    options: &Options,
    joins: &Joins,
    trouble: &mut Trouble,
) -> Result<(Count, Option<u8>), Failure> {
    let (mut count, mut reported) = (Count::default(), Count::default());
    let mut now = now_ms();
    let (mut last_report, mut last_record) = (now, now);
    let mut signal = std::pin::pin!(signal());
    while count.records < options.records && now - last_record <= options.timeout_ms {
        let polled = tokio::select! {
            polled = consumer.poll(Duration::from_millis(100)) => polled,
            code = &mut signal => return Ok((count, Some(code))),
        };
        let records = polled.map_err(|error| Failure::own(error.to_string()))?;
        now = now_ms();
        match records.is_empty() {
            true => trouble.look(&mut call.err).await,
            false => {
                last_record = now;
                trouble.over();
            }
        }
        for record in &records {
            count.records += 1;
            count.bytes += (record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len)) as u64;
            if now - last_report >= options.interval_ms {
                if options.detailed {
                    let joined = joins.since_report.swap(0, Ordering::Relaxed);
                    Interval::new(count, reported, last_report, now, joined).print(call, &options.dates)?;
                }
                (last_report, reported) = (now, count);
            }
        }
    }
    if count.records < options.records {
        let warning = format!(
            "WARNING: Exiting before consuming the expected number of records: timeout ({} ms) exceeded. You can use the \
             --timeout option to increase the timeout.",
            options.timeout_ms
        );
        match call.out.is_json() {
            true => call.err.line(warning),
            false => call.out.line(warning)?,
        }
    }
    Ok((count, None))
}

fn print_metrics(call: &mut Call, count: Count) -> Outcome {
    let metrics = [
        ("bytes-consumed-total", count.bytes),
        ("records-consumed-total", count.records),
    ];
    if call.out.is_json() {
        let metrics: serde_json::Map<String, serde_json::Value> = metrics
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect();
        return call.out.json(&serde_json::json!({ "metrics": metrics }));
    }
    let names = metrics.map(|(name, value)| (format!("consumer-fetch-manager-metrics:{name}"), value));
    let width = names.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    call.out.line(format_args!("\n{:<width$}   Value", "Metric Name"))?;
    for (name, value) in names {
        call.out.line(format_args!("{name:<width$} : {value}.000"))?;
    }
    Ok(())
}
