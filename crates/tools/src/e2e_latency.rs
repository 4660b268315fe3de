//! `klamm e2e-latency`: the time from sending a record to reading it, one at a time, as Kafka's `kafka-e2e-latency`.

use std::time::{Duration, Instant};

use klamm_client::{Client, Consumer, MetadataTopics, NewTopic, Producer, Properties, Record, TopicPartition};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::consumer_perf_test::decimal;
use crate::output::Failure;
use crate::spec::{Example, Flag, Group, Hint, OPTIONAL_BOOTSTRAP_SERVER, Operands, Run, Tool, check};

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
        Flag::int("record-header-size", "BYTES", "Bytes of each header's value")
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
    header_size: usize,
}

fn options(call: &mut Call) -> Result<Options, Failure> {
    let args = &call.args;
    let size = |name| {
        args.int(name)
            .and_then(|size| usize::try_from(size).ok())
            .unwrap_or_default()
    };
    let rest = args.rest().to_vec();
    let old = !rest.is_empty() && !args.has("bootstrap-server");
    if old && !(5..=6).contains(&rest.len()) {
        return Err(check::usage(
            args,
            "USAGE: e2e-latency bootstrap-server topic num-records producer-acks record-size [command-config]",
        ));
    }
    if !old {
        check::required(
            args,
            &[
                "bootstrap-server",
                "topic",
                "num-records",
                "producer-acks",
                "record-size",
            ],
        )?;
    }
    let number = |text: &str| {
        let number = text.parse::<u32>();
        number
            .map_err(|_| Failure::kafka(format!("For input string: \"{text}\"")))
            .map(|number| number as usize)
    };
    let text = |name, place: usize| {
        if old {
            rest[place].clone()
        } else {
            args.get(name).unwrap_or_default().to_owned()
        }
    };
    let file = if old {
        rest.get(5).map(String::as_str)
    } else {
        args.get("command-config")
    };
    let mut properties = match file.filter(|file| !file.trim().is_empty()) {
        Some(file) => Properties::load(file).map_err(|error| Failure::own(error.to_string()))?,
        None => Properties::new(),
    };
    properties.set("bootstrap.servers", text("bootstrap-server", 0));
    let options = Options {
        properties,
        topic: text("topic", 1),
        count: number(&text("num-records", 2))?,
        acks: text("producer-acks", 3),
        value_size: number(&text("record-size", 4))?,
        key_size: size("record-key-size"),
        headers: size("num-headers"),
        header_key_size: size("record-header-key-size"),
        header_size: size("record-header-size"),
    };
    if !["1", "all"].contains(&options.acks.as_str()) {
        let message = "Latency testing requires synchronous acknowledgement. Please use 1 or all";
        return Err(Failure::kafka(message));
    }
    if old {
        call.out.line(
            "WARNING: Positional argument usage is deprecated and will be removed in Apache Kafka 5.0. Please use named arguments \
             instead: --bootstrap-server, --topic, --num-records, --producer-acks, --record-size, --command-config",
        )?;
    }
    Ok(options)
}

async fn run(call: &mut Call) -> Outcome {
    let options = options(call)?;
    let client = connect::client_of(options.properties.clone())?;
    let partitions = topic(call, &client, &options.topic).await?;
    let own = |error: &dyn std::fmt::Display| Failure::own(error.to_string());
    let consumer = Consumer::builder(&client)
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
    let producer = Producer::builder(&client)
        .property("linger.ms", "0")
        .property("acks", options.acks.as_str())
        .build()
        .await
        .map_err(|error| own(&error))?;
    let mut latencies = Vec::new();
    let mut total = Duration::ZERO;
    for index in 0..options.count {
        let took = once(&options, &producer, &consumer, index).await?;
        if index % 1000 == 0 {
            call.out
                .line(format_args!("{index}\t{}", took.as_nanos() as f64 / 1e6))?;
        }
        total += took;
        latencies.push(took.as_millis());
    }
    let _ = consumer.close().await;
    latencies.sort_unstable();
    let average = total.as_nanos() as f64 / options.count as f64 / 1e6;
    call.out.line(format_args!("Avg latency: {} ms", decimal(average)))?;
    let at = |share: f64| {
        latencies
            .get((latencies.len() as f64 * share) as usize)
            .copied()
            .unwrap_or_default()
    };
    call.out.line(format_args!(
        "Percentiles: 50th = {}, 99th = {}, 99.9th = {}",
        at(0.5),
        at(0.99),
        at(0.999)
    ))
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
        call.out.line(format_args!(
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
    let header = vec![letter; options.header_size];
    let header_key = char::from(letter).to_string().repeat(options.header_key_size);
    let begun = Instant::now();
    let mut record = Record::to(options.topic.as_str()).value(&value);
    if options.key_size > 0 {
        record = record.key(&key);
    }
    for _ in 0..options.headers {
        record = record.header(header_key.as_str(), &header);
    }
    producer
        .send(record)
        .await
        .map_err(|error| Failure::own(error.to_string()))?;
    let records = consumer
        .poll(PATIENCE)
        .await
        .map_err(|error| Failure::own(error.to_string()))?;
    let took = begun.elapsed();
    let Some(read) = records.iter().next() else {
        let message = format!(
            "poll() timed out before finding a result (timeout:[{}])",
            PATIENCE.as_millis()
        );
        return Err(Failure::kafka(message));
    };
    if read.value() != Some(&value) {
        return Err(Failure::kafka("The message read did not match the message sent"));
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
