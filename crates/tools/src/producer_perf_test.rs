//! `klamm producer-perf-test`: how fast records can be produced, as Kafka's `kafka-producer-perf-test`.

mod payload;
mod stats;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use klamm_client::{Properties, Record};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::feed::{Feed, words};
use crate::output::Failure;
use crate::spec::{Example, Exclusive, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool};
use payload::Payload;
use stats::Stats;

pub(crate) const TOOL: Tool = Tool {
    name: "producer-perf-test",
    script: Some("kafka-producer-perf-test"),
    group: Group::Load,
    about: "Measure how fast records are produced",
    long: "Tells rate and latency every few seconds, and in the end with the median and high percentiles. The latency of a record \
           is the time from its hand-over to the producer until it is acknowledged.",
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
    let mut payload = Payload::read(call)?;
    let stats = Arc::new(Mutex::new(Stats::new(plan.records, plan.warmup, plan.interval)));
    let mut feed = {
        let stats = stats.clone();
        Feed::watched(plan.properties.clone(), move |report| {
            lock(&stats).on_batch(report.partition, report.records, report.result.is_ok());
        })?
    };
    if plan.warmup > 0 {
        let first = plan.warmup;
        call.out.line(format_args!(
            "Warmup first {first} records. Steady state results will print after the complete test summary."
        ))?;
    }
    let sent = send(call, &mut feed, &plan, &mut payload, &stats);
    feed.finish();
    tell(call, &feed, &stats)?;
    let stopped = feed.stopped();
    let lines = lock(&stats).totals();
    for line in lines {
        call.out.line(line)?;
    }
    if call.args.has("print-metrics") {
        print_metrics(call, &feed, &plan.properties)?;
    }
    feed.shut_down();
    match stopped {
        Some(code) => sent.and(Err(Failure::told(code))),
        None => sent,
    }
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
    Failure::kafka(format!("producer-performance: error: {message}"))
        .hint("`klamm producer-perf-test --help` shows the options")
}

impl Plan {
    fn read(call: &Call) -> Result<Plan, Failure> {
        let args = &call.args;
        let records = args.long("num-records").unwrap_or_default();
        if records <= 0 {
            return Err(mistake("--num-records should be greater than zero."));
        }
        let warmup = args.long("warmup-records").unwrap_or_default();
        if warmup < 0 || warmup >= records {
            return Err(mistake(
                "The value for --warmup-records must be strictly fewer than the number of records in the test, --num-records.",
            ));
        }
        if args.int("record-size").is_some_and(|size| size <= 0) {
            return Err(mistake("--record-size should be greater than zero."));
        }
        let properties = properties(args)?;
        if args.has("transactional-id")
            || args.has("transaction-duration-ms")
            || properties.get("transactional.id").is_some()
        {
            return Err(mistake("transactions are not offered yet"));
        }
        Ok(Plan {
            topic: args.get("topic").unwrap_or_default().to_owned(),
            records: records as u64,
            warmup: warmup as u64,
            interval: Duration::from_millis(args.long("reporting-interval").unwrap_or(5000).max(1) as u64),
            rate: args.double("throughput").unwrap_or(-1.0),
            properties,
        })
    }
}

fn properties(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = connect::file(args, "producer.config")?;
    properties.extend(&connect::file(args, "command-config")?);
    for pair in ["producer-props", "command-property"]
        .iter()
        .flat_map(|flag| args.all(flag))
    {
        match pair.split_once('=') {
            Some((key, value)) if !value.contains('=') => properties.set(key, value),
            _ => {
                return Err(Failure::kafka(format!(
                    "java.lang.IllegalArgumentException: Invalid property: {pair}"
                )));
            }
        }
    }
    if let Some(servers) = args.get("bootstrap-server") {
        properties.set("bootstrap.servers", servers);
    }
    if properties.get("bootstrap.servers").is_none() {
        return Err(mistake(
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or --command-config must be specified.",
        ));
    }
    properties.set_default("client.id", "perf-producer-client");
    Ok(properties)
}

fn send(call: &mut Call, feed: &mut Feed, plan: &Plan, payload: &mut Payload, stats: &Mutex<Stats>) -> Outcome {
    let begun = Instant::now();
    for n in 0..plan.records {
        let value = payload.next(n);
        let at = Instant::now();
        match feed.put(Record::to(&plan.topic).value(value)) {
            Ok(delivery) => lock(stats).on_send(delivery.partition(), at, value.len()),
            Err(Some(error)) => call.err.line(words(&error)),
            Err(None) => return Ok(()),
        }
        feed.keep_rate(begun, n + 1, plan.rate);
        if n % 64 == 0 {
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
    let lines = lock(stats).take_lines();
    if !lines.is_empty() {
        for line in lines {
            call.out.line(line)?;
        }
        call.out.flush()?;
    }
    for line in feed.take_failures() {
        call.err.line(line);
    }
    Ok(())
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
