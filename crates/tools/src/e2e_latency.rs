//! `klamm e2e-latency`: the time from sending a record to reading it, one at a time, as Kafka's `kafka-e2e-latency`.

use std::pin::pin;
use std::time::{Duration, Instant};

use klamm_client::consumer::ConsumerRecord;
use klamm_client::{Client, Consumer, MetadataTopics, NewTopic, Producer, Properties, Record, TopicPartition};
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::connect;
use crate::consumer_perf_test::decimal;
use crate::feed::words;
use crate::output::{Failure, Number};
use crate::signals::{interrupted, signal};
use crate::spec::{Example, Flag, Group, Hint, Matches, OPTIONAL_BOOTSTRAP_SERVER, Operands, Run, Tool, check};

pub(crate) const TOOL: Tool = Tool {
    name: "e2e-latency",
    script: Some("kafka-e2e-latency"),
    group: Group::Load,
    about: "Measure the time from sending a record to reading it",
    long: "Sends one record, waits for its acknowledgement and reads it, again and again. A topic that does not exist is created \
           with one partition. The percentiles are whole milliseconds, rounded down.",
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        Flag::text("topic", "TOPIC", "The topic to send to").required_by_tool(),
        Flag::int("num-records", "COUNT", "How many records").required_by_tool(),
        Flag::text(
            "producer-acks",
            "ACKS",
            "Whose acknowledgement counts: `1` for the leader's, `all`",
        )
        .required_by_tool(),
        Flag::int("record-size", "BYTES", "Bytes of each value").required_by_tool(),
        Flag::int("record-key-size", "BYTES", "Bytes of each key; 0 for none")
            .value_optional()
            .default("0"),
        Flag::int("num-headers", "COUNT", "Headers of each record")
            .value_optional()
            .default("0"),
        Flag::int("record-header-key-size", "BYTES", "Bytes of each header's key")
            .value_optional()
            .default("0"),
        Flag::int(
            "record-header-size",
            "BYTES",
            "Bytes of each header's value; -1 for null",
        )
        .value_optional()
        .default("0"),
        Flag::file(
            "command-config",
            "FILE",
            "Settings of the clients, one `key=value` a line",
        )
        .value_optional(),
    ],
    operands: Some(Operands {
        name: "OLD",
        about: "As before Kafka 4.2: bootstrap-server topic num-records producer-acks record-size [command-config]",
        required: false,
        many: true,
        hint: Hint::Nothing,
    }),
    hears_signals: true,
    examples: &[
        Example {
            does: "Ten thousand records of 100 bytes",
            line: "e2e-latency --bootstrap-server localhost:9092 --topic latency --num-records 10000 --producer-acks all --record-size 100",
        },
        Example {
            does: "With keys, acknowledged by the leader alone",
            line: "e2e-latency --bootstrap-server localhost:9092 --topic latency --num-records 1000 --producer-acks 1 --record-size 1024 --record-key-size 16",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

/// How long a record may take.
const PATIENCE: Duration = Duration::from_secs(60);

struct Options {
    properties: Properties,
    topic: String,
    count: usize,
    acks: String,
    value_size: usize,
    key_size: usize,
    headers: usize,
    header_key_size: usize,
    /// None: the values are null.
    header_size: Option<usize>,
}

/// The flags that the old arguments stand for, in their order.
const OLD: &[&str] = &[
    "bootstrap-server",
    "topic",
    "num-records",
    "producer-acks",
    "record-size",
    "command-config",
];

fn options(call: &mut Call) -> Result<Options, Failure> {
    let args = &call.args;
    let old = !args.rest().is_empty() && !call.words().iter().any(|word| word.starts_with("--"));
    if old && !(5..=6).contains(&args.rest().len()) {
        return Err(check::usage(
            args,
            format!(
                "Invalid number of arguments. Expected 5 or 6 positional arguments, but got {}. Usage: bootstrap-server topic \
                 num-records producer-acks record-size [optional] command-config",
                args.rest().len()
            ),
        ));
    }
    if old {
        call.out.note(
            "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named arguments \
             instead: --bootstrap-server, --topic, --num-records, --producer-acks, --record-size, --command-config",
        )?;
    } else {
        check::required(args, &OLD[..5])?;
    }
    let args = &call.args;
    let text = |name: &str| match OLD.iter().position(|known| old && *known == name) {
        Some(place) => args.rest().get(place).map_or("", String::as_str),
        None => args.get(name).unwrap_or_default(),
    };
    if !["1", "all"].contains(&text("producer-acks")) {
        let message = "Invalid value for --producer-acks. Latency testing requires synchronous acknowledgement. Please use '1' \
                       or 'all'.";
        return Err(check::usage(args, message));
    }
    let sizes = Sizes::read(args, text)?;
    let mut properties = match text("command-config").trim() {
        "" => Properties::new(),
        file => Properties::load(file).map_err(|error| Failure::own(error.to_string()))?,
    };
    properties.set("bootstrap.servers", text("bootstrap-server"));
    Ok(Options {
        properties,
        topic: text("topic").to_owned(),
        count: sizes.count,
        acks: text("producer-acks").to_owned(),
        value_size: sizes.value,
        key_size: sizes.key,
        headers: sizes.headers,
        header_key_size: sizes.header_key,
        header_size: sizes.header,
    })
}

struct Sizes {
    count: usize,
    value: usize,
    key: usize,
    headers: usize,
    header_key: usize,
    header: Option<usize>,
}

impl Sizes {
    fn read<'a>(args: &Matches, text: impl Fn(&str) -> &'a str) -> Result<Sizes, Failure> {
        let number = |name: &str, least: i32, what: &str| {
            let text = text(name);
            let wrong = || check::usage(args, format!("Cannot parse argument '{text}' of option {name}"));
            // A flag without its optional value.
            let parsed = if text.is_empty() { Ok(0) } else { text.parse::<i32>() };
            match parsed.map_err(|_| wrong())? {
                number if number >= least => Ok(usize::try_from(number).ok()),
                _ => Err(check::usage(args, format!("Value for --{name} must be a {what}."))),
            }
        };
        let size = |name| Ok::<_, Failure>(number(name, 0, "non-negative integer")?.unwrap_or_default());
        Ok(Sizes {
            count: number("num-records", 1, "positive integer")?.unwrap_or_default(),
            value: size("record-size")?,
            key: size("record-key-size")?,
            header_key: size("record-header-key-size")?,
            header: number(
                "record-header-size",
                -1,
                "non-negative integer or -1 for null header value",
            )?,
            headers: size("num-headers")?,
        })
    }
}

async fn run(call: &mut Call) -> Outcome {
    let options = options(call)?;
    let client = connect::client_of(options.properties.clone())?;
    let mut signal = pin!(signal());
    let begun = tokio::select! {
        begun = begin(call, &client, &options) => begun,
        code = &mut signal => return Err(interrupted(code)),
    };
    let (producer, consumer) = begun?;
    let mut latencies = Vec::new();
    let mut outcome = Ok(());
    for index in 0..options.count {
        let measured = tokio::select! {
            measured = once(&options, &producer, &consumer, index) => measured,
            code = &mut signal => Err(interrupted(code)),
        };
        let took = match measured {
            Ok(took) => took,
            Err(failure) => {
                outcome = Err(failure);
                break;
            }
        };
        if index % 1000 == 0 {
            let milliseconds = took.as_nanos() as f64 / 1e6;
            match call.out.is_json() {
                true => call.out.json(&json!({ "record": index, "latency_ms": milliseconds }))?,
                false => call.out.line(format_args!("{index}\t{}", Number::from(milliseconds)))?,
            }
            call.out.flush()?;
        }
        latencies.push(took);
    }
    // Nothing was read that another would read again.
    let _left = consumer.close().await;
    if !latencies.is_empty() {
        print(call, latencies)?;
    }
    outcome
}

async fn begin(call: &mut Call, client: &Client, options: &Options) -> Result<(Producer, Consumer), Failure> {
    let partitions = topic(call, client, &options.topic).await?;
    let own = |error: &dyn std::fmt::Display| Failure::own(error.to_string());
    let consumer = Consumer::builder(client)
        .property("fetch.max.wait.ms", "0")
        .property("enable.auto.commit", "false")
        .assign(partitions.clone())
        .build()
        .await
        .map_err(|error| own(&error))?;
    consumer.seek_to_end(&partitions).map_err(|error| own(&error))?;
    for partition in &partitions {
        consumer.position(partition).await.map_err(|error| own(&error))?;
    }
    let producer = Producer::builder(client)
        .property("linger.ms", "0")
        .property("acks", options.acks.as_str())
        .build()
        .await
        .map_err(|error| own(&error))?;
    Ok((producer, consumer))
}

fn print(call: &mut Call, mut latencies: Vec<Duration>) -> Outcome {
    let total: Duration = latencies.iter().sum();
    let average = total.as_nanos() as f64 / latencies.len() as f64 / 1e6;
    latencies.sort_unstable();
    let at = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        latencies.get(index).map_or(0, Duration::as_millis) as u64
    };
    let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
    if call.out.is_json() {
        return call.out.json(&json!({
            "records": latencies.len(), "avg_latency_ms": average, "latency_percentiles_ms": [p50, p99, p999],
        }));
    }
    call.out.line(format_args!("Avg latency: {} ms", decimal(average)))?;
    call.out
        .line(format_args!("Percentiles: 50th = {p50}, 99th = {p99}, 99.9th = {p999}"))
}

/// The topic's partitions; made if it is not there.
async fn topic(call: &mut Call, client: &Client, name: &str) -> Result<Vec<TopicPartition>, Failure> {
    let failure = |error: &klamm_client::Error| connect::failure(error, "createTopics", str::to_owned);
    let wanted = || MetadataTopics::names([name]);
    let mut known = client
        .refresh_metadata(wanted())
        .await
        .map_err(|error| failure(&error))?;
    if known.topic(name).is_none_or(|topic| topic.error.is_err()) {
        call.out.note(format_args!(
            "Topic \"{name}\" does not exist. Will create topic with 1 partition(s) and replication factor = 1"
        ))?;
        let new = [NewTopic::new(name).partitions(1).replication_factor(1)];
        let created = client.admin().create_topics(&new, false).await;
        for (_, result) in created.map_err(|error| failure(&error))? {
            result.map_err(|error| {
                failure(&error).reworded(|words| format!("Creation of topic {name} failed: {words}"))
            })?;
        }
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        let topic = known.topic(name).filter(|topic| topic.error.is_none());
        let topic = topic.filter(|topic| topic.partitions.iter().all(|partition| partition.leader.is_some()));
        if let Some(topic) = topic {
            let partitions = topic.partitions.iter();
            return Ok(partitions
                .map(|partition| TopicPartition::new(name, partition.index))
                .collect());
        }
        if Instant::now() > deadline {
            return Err(Failure::own(format!("the topic {name} has no leader")));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        known = client
            .refresh_metadata(wanted())
            .await
            .map_err(|error| failure(&error))?;
    }
}

/// Sends one record, waits until it is acknowledged and reads it.
async fn once(options: &Options, producer: &Producer, consumer: &Consumer, index: usize) -> Result<Duration, Failure> {
    let letter = b'A' + (index.wrapping_mul(7) % 26) as u8;
    let (value, key) = (vec![letter; options.value_size], vec![letter; options.key_size]);
    let header = options.header_size.map(|size| vec![letter; size]);
    let header_key = char::from(letter).to_string().repeat(options.header_key_size);
    let begun = Instant::now();
    let mut record = Record::to(options.topic.as_str()).value(&value);
    if options.key_size > 0 {
        record = record.key(&key);
    }
    for _ in 0..options.headers {
        record = match &header {
            Some(header) => record.header(header_key.as_str(), header),
            None => record.null_header(header_key.as_str()),
        };
    }
    producer
        .send(record)
        .await
        .map_err(|error| Failure::own(words(&error)))?;
    let records = consumer.poll(PATIENCE).await;
    let records = records.map_err(|error| Failure::own(error.to_string()))?;
    let took = begun.elapsed();
    let Some(read) = records.iter().next() else {
        let message = format!(
            "poll() timed out before finding a result (timeout:[{}ms])",
            PATIENCE.as_millis()
        );
        return Err(Failure::kafka(message));
    };
    let key = (options.key_size > 0).then_some(key.as_slice());
    check_read(read, &value, key)?;
    let headers = (0..options.headers).map(|_| (header_key.as_bytes(), header.as_deref()));
    if !headers.eq(read.headers().map(|header| (header.key, header.value))) {
        return Err(Failure::kafka(
            "The message headers read did not match the message headers sent",
        ));
    }
    if records.len() != 1 {
        let message = format!(
            "Only one result was expected during this test. We found [{}]",
            records.len()
        );
        return Err(Failure::kafka(message));
    }
    Ok(took)
}

fn check_read(read: &ConsumerRecord, value: &[u8], key: Option<&[u8]>) -> Outcome {
    let text = |bytes: Option<&[u8]>| bytes.map_or("null".into(), |bytes| String::from_utf8_lossy(bytes).into_owned());
    for (what, read, sent) in [("value", read.value(), Some(value)), ("key", read.key(), key)] {
        if read != sent {
            return Err(Failure::kafka(format!(
                "The message {what} read [{}] did not match the message {what} sent [{}]",
                text(read),
                text(sent)
            ))
            .hint("does another program produce to the topic?"));
        }
    }
    Ok(())
}
