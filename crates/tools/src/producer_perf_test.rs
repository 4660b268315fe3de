//! `klamm producer-perf-test`: how fast records can be produced, as Kafka's `kafka-producer-perf-test`.

mod payload;
mod stats;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use klamm_client::{Properties, Record};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::feed::{Feed, words};
use crate::output::{Failure, masked};
use crate::signals::interrupted;
use crate::spec::{Example, Exclusive, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool};
use payload::Payload;
use stats::{Report, Stats};

pub(crate) const TOOL: Tool = Tool {
    name: "producer-perf-test",
    script: Some("kafka-producer-perf-test"),
    group: Group::Load,
    about: "Measure how fast records are produced",
    long: "Tells rate and latency every few seconds, and in the end with the median and high percentiles. The latency of a record \
           is the time from its hand-over to the producer until it is acknowledged. Random records are the same in each run, \
           and those of Kafka's tool.",
    help_exit: 1,
    bare_help: Some(0),
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER,
        Flag::text("topic", "TOPIC", "The topic to produce to").required(),
        Flag::long("num-records", "COUNT", "How many records to send").required(),
        Flag::int("record-size", "BYTES", "Send records of random letters, so many each"),
        Flag::file("payload-file", "FILE", "Send records from this file, in random order"),
        Flag::switch("payload-monotonic", "Send records with rising numbers"),
        Flag::text(
            "payload-delimiter",
            "TEXT",
            "What stands between the records of the file",
        )
        .default("\\n"),
        Flag::double(
            "throughput",
            "RATE",
            "At most so many records a second; -1 as many as possible",
        )
        .required(),
        Flag::long(
            "warmup-records",
            "COUNT",
            "Tell also how it went without the first so many records",
        )
        .default("0"),
        Flag::long("reporting-interval", "MS", "How often to tell").default("5000"),
        Flag::switch("print-metrics", "Print the producer's counters in the end"),
        Flag::many(
            "command-property",
            "KEY=VALUE",
            "Settings of the producer, over those of `--command-config`",
        ),
        Flag::many("producer-props", "KEY=VALUE", "As `--command-property`").deprecated("--command-property"),
        crate::spec::COMMAND_CONFIG,
        Flag::file("producer.config", "FILE", "As `--command-config`").deprecated("--command-config"),
        Flag::text("transactional-id", "ID", "Produce in transactions: not offered yet"),
        Flag::long("transaction-duration-ms", "MS", "How long each takes: not offered yet"),
    ],
    exclusive: &[Exclusive {
        flags: &["record-size", "payload-file", "payload-monotonic"],
        required: true,
    }],
    examples: &[
        Example {
            does: "A million records of 100 bytes, as fast as possible",
            line: "producer-perf-test --bootstrap-server localhost:9092 --topic perf --num-records 1000000 --record-size 100 --throughput -1",
        },
        Example {
            does: "A thousand a second, compressed",
            line: "producer-perf-test --bootstrap-server localhost:9092 --topic perf --num-records 60000 --record-size 1024 \
                   --throughput 1000 --command-property compression.type=zstd",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::argparse()
};

fn run(call: &mut Call) -> Outcome {
    let plan = Plan::read(call)?;
    let mut payload = plan.payload(call)?;
    let stats = Arc::new(Mutex::new(Stats::new(plan.records, plan.warmup, plan.interval)));
    let feed = {
        let stats = stats.clone();
        Feed::watched(plan.properties.clone(), move |report| {
            lock(&stats).on_batch(report.partition, report.records, report.result.is_ok());
        })?
    };
    let mut feed = feed.about(&plan.topic);
    if plan.warmup > 0 {
        let first = plan.warmup;
        call.out.note(format_args!(
            "Warmup first {first} records. Steady state results will print after the complete test summary."
        ))?;
    }
    let mut counts = Counts::default();
    let sent = send(call, &mut feed, &plan, &mut payload, &stats, &mut counts);
    let finished = feed.finish();
    let (failed, unknown) = (counts.refused + finished.failed, finished.unknown(counts.taken));
    tell(call, &feed, &stats)?;
    if failed > 0 {
        let servers = plan.properties.get("bootstrap.servers").unwrap_or_default();
        call.err
            .line(format_args!("WARN {failed} records were not delivered to {servers}"));
    }
    if unknown > 0 {
        call.err
            .line(format_args!("WARN what became of {unknown} records is not known"));
    }
    let reports = lock(&stats).totals();
    print(call, reports)?;
    if call.args.has("print-metrics") {
        print_metrics(call, &feed, &plan.properties)?;
    }
    feed.shut_down();
    match finished.signal {
        Some(code) => sent.and(Err(interrupted(code))),
        None => sent,
    }
}

/// Records that the producer took and those that it did not take.
#[derive(Default)]
struct Counts {
    taken: u64,
    refused: u64,
}

struct Plan {
    topic: String,
    records: u64,
    warmup: u64,
    interval: Duration,
    rate: f64,
    properties: Properties,
}

fn mistake(message: impl std::fmt::Display) -> Failure {
    Failure::kafka(format!("kafka-producer-perf-test: error: {message}"))
        .hint("`klamm producer-perf-test --help` shows the options")
}

impl Plan {
    fn read(call: &mut Call) -> Result<Plan, Failure> {
        check(call)?;
        for (old, new) in [
            ("producer-props", "command-property"),
            ("producer.config", "command-config"),
        ] {
            if call.args.has(old) {
                call.out.note(format_args!(
                    "Option --{old} has been deprecated and will be removed in a future version. Use --{new} instead."
                ))?;
            }
        }
        let args = &call.args;
        let properties = properties(call)?;
        if args.has("transactional-id")
            || args.has("transaction-duration-ms")
            || properties.get("transactional.id").is_some()
        {
            return Err(Failure::own("transactions are not offered yet"));
        }
        let count = |name| args.long(name).and_then(|count| u64::try_from(count).ok());
        Ok(Plan {
            topic: args.get("topic").unwrap_or_default().to_owned(),
            records: count("num-records").unwrap_or_default(),
            warmup: count("warmup-records").unwrap_or_default(),
            interval: Duration::from_millis(count("reporting-interval").unwrap_or(5000)),
            rate: args.double("throughput").unwrap_or(-1.0),
            properties,
        })
    }

    fn payload(&self, call: &mut Call) -> Result<Payload, Failure> {
        match (call.args.int("record-size"), call.args.get("payload-file")) {
            (Some(size), _) => Ok(Payload::random(usize::try_from(size).unwrap_or_default())),
            (None, Some(path)) => {
                let path = path.to_owned();
                let delimiter = call.args.get("payload-delimiter").unwrap_or("\\n").to_owned();
                let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone().into());
                call.out
                    .note(format_args!("Reading payloads from: {}", absolute.display()))?;
                let (payload, count) = Payload::read(&path, &delimiter)?;
                call.out.note(format_args!("Number of records read: {count}"))?;
                Ok(payload)
            }
            (None, None) => Ok(Payload::Monotonic(String::new())),
        }
    }
}

/// What the parser does not check, in the order of Kafka's tool.
fn check(call: &Call) -> Outcome {
    let args = &call.args;
    let number = |name| args.long(name).unwrap_or_default();
    let too_small = |name| args.has(name) && number(name) <= 0;
    if too_small("num-records") {
        return Err(mistake("--num-records should be greater than zero."));
    }
    if number("warmup-records").max(0) >= number("num-records") {
        return Err(mistake(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
        ));
    }
    if args.int("record-size").is_some_and(|size| size <= 0) {
        return Err(mistake("--record-size should be greater than zero."));
    }
    let sources = [
        "bootstrap-server",
        "command-property",
        "producer-props",
        "producer.config",
        "command-config",
    ];
    if !sources.iter().any(|source| args.has(source)) {
        return Err(mistake(
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or --command-config \
             must be specified.",
        ));
    }
    for (new, old) in [
        ("command-property", "producer-props"),
        ("command-config", "producer.config"),
    ] {
        if args.has(new) && args.has(old) {
            return Err(mistake(format!("--{new} and --{old} cannot be specified together.")));
        }
    }
    for name in ["transaction-duration-ms", "reporting-interval"] {
        if too_small(name) {
            return Err(mistake(format!("--{name} should be greater than zero.")));
        }
    }
    Ok(())
}

fn properties(call: &Call) -> Result<Properties, Failure> {
    let args = &call.args;
    let mut properties = connect::file(args, "producer.config")?;
    properties.extend(&connect::file(args, "command-config")?);
    for pair in ["producer-props", "command-property"]
        .iter()
        .flat_map(|flag| args.all(flag))
    {
        match pair.split_once('=') {
            Some((key, value)) if !value.is_empty() && !value.contains('=') => properties.set(key, value),
            // Kafka's tool shows the value too, which may be a password.
            _ => {
                let shown = masked(pair);
                return Err(Failure::own(format!("Invalid property: {shown}")).hint("properties are `key=value`"));
            }
        }
    }
    if let Some(servers) = args.get("bootstrap-server") {
        properties.set("bootstrap.servers", servers);
    }
    properties.set_default("client.id", "perf-producer-client");
    Ok(properties)
}

fn send(
    call: &mut Call,
    feed: &mut Feed,
    plan: &Plan,
    payload: &mut Payload,
    stats: &Mutex<Stats>,
    counts: &mut Counts,
) -> Outcome {
    let begun = Instant::now();
    for n in 0..plan.records {
        let value = payload.next(n);
        let at = Instant::now();
        match feed.put(Record::to(&plan.topic).value(value), &mut call.err) {
            Ok(delivery) => {
                counts.taken += 1;
                lock(stats).on_send(delivery.partition(), at, value.len());
            }
            Err(Some(error)) => {
                counts.refused += 1;
                call.err.line(words(&error));
            }
            Err(None) => return Ok(()),
        }
        feed.keep_rate(begun, n + 1, plan.rate, None);
        if n % 64 == 0 || plan.rate >= 0.0 {
            tell(call, feed, stats)?;
            if feed.stopped().is_some() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Prints what there is to tell.
fn tell(call: &mut Call, feed: &Feed, stats: &Mutex<Stats>) -> Outcome {
    let reports = lock(stats).take_windows();
    if !reports.is_empty() {
        print(call, reports)?;
        call.out.flush()?;
    }
    for line in feed.take_failures() {
        call.err.line(line);
    }
    Ok(())
}

fn print(call: &mut Call, reports: Vec<Report>) -> Outcome {
    let json = call.out.is_json();
    reports.iter().try_for_each(|report| match json {
        true => call.out.json(report),
        false => call.out.line(report),
    })
}

fn print_metrics(call: &mut Call, feed: &Feed, properties: &Properties) -> Outcome {
    let metrics = feed.producer().metrics();
    let client = properties.get("client.id").unwrap_or_default();
    let rows = [
        ("batch-split-total", metrics.splits),
        ("outgoing-byte-total", metrics.bytes_sent),
        ("record-error-total", metrics.records_failed),
        ("record-retry-total", metrics.retries),
        ("record-send-total", metrics.records_sent),
        ("request-total", metrics.requests),
    ];
    if call.out.is_json() {
        let metrics: serde_json::Map<String, serde_json::Value> = rows
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect();
        return call.out.json(&serde_json::json!({ "metrics": metrics }));
    }
    let rows = rows.map(|(name, value)| (format!("producer-metrics:{name}:{{client-id={client}}}"), value));
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    call.out.line("")?;
    call.out.line(format_args!("{:<width$}   Value", "Metric Name"))?;
    for (name, value) in rows {
        call.out.line(format_args!("{name:<width$} : {value}.000"))?;
    }
    Ok(())
}

fn lock(stats: &Mutex<Stats>) -> MutexGuard<'_, Stats> {
    stats.lock().unwrap_or_else(PoisonError::into_inner)
}
