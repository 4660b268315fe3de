//! `klamm get-offsets`: the offsets of partitions at a time, by the first, the last or a timestamp.

use std::collections::BTreeMap;

use klamm_client::{Admin, Error, IsolationLevel, OffsetSpec, TopicPartition, TopicRef};
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::connect::{self, exception_words};
use crate::output::Failure;
use crate::patterns::{PartitionPattern, TopicPartitionPatterns, TopicPattern};
use crate::spec::{COMMAND_CONFIG, Example, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};
use crate::topics::listing;

const PREFIX: &str = "Error occurred: ";

pub(crate) const TOOL: Tool = Tool {
    name: "get-offsets",
    script: Some("kafka-get-offsets"),
    group: Group::Topics,
    about: "Print the offsets of partitions at a time",
    long: "A line is `TOPIC:PARTITION:OFFSET`, by rising name. Partitions that have no such offset, for example none at or after \
           the timestamp, are left out.",
    mistake_prefix: PREFIX,
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        Flag::text("topic", "PATTERN", "Which topics: a regular expression for the whole name; all if left out"),
        Flag::text("partitions", "LIST", "Which partitions of them, as `0,1,5`; all if left out"),
        Flag::text(
            "topic-partitions",
            "LIST",
            "Both at once, as `orders:1,orders:4-,pay.*:0-3,:7`; the end of a range does not count. Not together with `--topic` \
             and `--partitions`",
        ),
        Flag::text(
            "time",
            "TIME",
            "Which offset: a timestamp in milliseconds since 1970 (the first record at or after it), or -1 or `latest`, -2 or \
             `earliest`, -3 or `max-timestamp`, -4 or `earliest-local`, -5 or `latest-tiered`, -6 or `earliest-pending-upload`",
        )
        .default("latest"),
        Flag::switch("exclude-internal-topics", "Leave out the topics that brokers keep for themselves"),
        COMMAND_CONFIG,
    ],
    examples: &[
        Example {
            does: "How far each partition of a topic has come",
            line: "get-offsets --bootstrap-server localhost:9092 --topic orders",
        },
        Example {
            does: "The first record of 2026 in partitions 0 to 2",
            line: "get-offsets --bootstrap-server localhost:9092 --topic-partitions orders:0-3 --time 1767225600000",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

async fn run(call: &mut Call) -> Outcome {
    let args = &call.args;
    check::required(args, &["bootstrap-server"])?;
    check::addresses(args)?;
    let said = |message: String| Failure::kafka(format!("{PREFIX}{message}"));
    let both = args.has("topic") || args.has("partitions");
    if args.has("topic-partitions") && both {
        return Err(said(
            "--topic-partitions cannot be used with --topic or --partitions".to_owned(),
        ));
    }
    let spec = offset_spec(args.get("time").unwrap_or_default()).map_err(said)?;
    let patterns = patterns(args).map_err(said)?;
    let client = connect::client(args)?;
    let admin = client.admin();
    let failed = |error: Error, call: &str| connect::failure(&error, call, |words| format!("{PREFIX}{words}"));

    let with_internal = !args.has("exclude-internal-topics");
    let names = listing(&admin, with_internal)
        .await
        .map_err(|error| failed(error, "listTopics"))?;
    let names: Vec<String> = names.into_iter().filter(|name| patterns.matches_topic(name)).collect();
    let partitions = partitions(&admin, &names, &patterns).await?;
    if partitions.is_empty() {
        let words = "Could not match any topic-partitions with the specified filters";
        return Err(said(words.to_owned()).hint("`klamm topics --list` shows the topics that there are"));
    }
    let asked: Vec<(TopicPartition, OffsetSpec)> = partitions.into_iter().map(|partition| (partition, spec)).collect();
    let answers = admin
        .list_offsets(&asked, IsolationLevel::ReadUncommitted)
        .await
        .map_err(|error| failed(error, "listOffsets"))?;
    let mut offsets = BTreeMap::new();
    for (partition, answer) in answers {
        match answer {
            Ok(listed) => {
                if let Some(offset) = listed.offset {
                    offsets.insert(partition.to_string(), (partition, offset));
                }
            }
            Err(error) => call.err.line(format_args!(
                "Skip getting offsets for topic-partition {partition} due to error: {}",
                exception_words(&error, "listOffsets")
            )),
        }
    }
    for (partition, offset) in offsets.into_values() {
        let TopicPartition { topic, partition } = partition;
        match call.out.is_json() {
            true => call
                .out
                .json(&json!({"topic": &*topic, "partition": partition, "offset": offset}))?,
            false => call.out.line(format_args!("{topic}:{partition}:{offset}"))?,
        }
    }
    Ok(())
}

async fn partitions(
    admin: &Admin,
    names: &[String],
    patterns: &TopicPartitionPatterns,
) -> Result<Vec<TopicPartition>, Failure> {
    let failed = |error: Error| connect::failure(&error, "describeTopics", |words| format!("{PREFIX}{words}"));
    let asked: Vec<TopicRef> = names.iter().map(|name| TopicRef::from(&**name)).collect();
    let mut partitions = Vec::new();
    for (_, description) in admin.describe_topics(&asked).await.map_err(failed)? {
        let description = description.map_err(failed)?;
        let numbers = description.partitions.iter().map(|partition| partition.index);
        let meant = numbers.filter(|number| patterns.matches(&description.name, *number));
        partitions.extend(meant.map(|number| TopicPartition::new(&*description.name, number)));
    }
    Ok(partitions)
}

fn offset_spec(time: &str) -> Result<OffsetSpec, String> {
    Ok(match time {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        time => OffsetSpec::Timestamp(time.parse().map_err(|_| {
            format!(
                "Malformed time argument {time}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or \
                 earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
            )
        })?),
    })
}

fn patterns(args: &Matches) -> Result<TopicPartitionPatterns, String> {
    if let Some(list) = args.get("topic-partitions") {
        // Kafka's tool wraps this one, and shows it.
        return TopicPartitionPatterns::parse(list).map_err(|words| match words.strip_prefix("Invalid rule") {
            Some(_) => format!("org.apache.kafka.tools.TerseException: {words}"),
            None => words,
        });
    }
    let topics = args
        .get("topic")
        .map_or_else(|| Ok(TopicPattern::all()), TopicPattern::parse)?;
    let partitions = match args.get("partitions").filter(|list| !list.is_empty()) {
        None => PartitionPattern::All,
        Some(list) => {
            let numbers = list.split(',').map(str::parse).collect::<Result<Vec<i32>, _>>();
            PartitionPattern::Among(numbers.map_err(|_| {
                format!("--partitions expects a comma separated list of numeric partition ids, but received: {list}")
            })?)
        }
    };
    Ok(TopicPartitionPatterns::one(topics, partitions))
}
