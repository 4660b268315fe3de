//! `klamm log-dirs`: what the log directories of brokers hold, as Kafka's `kafka-log-dirs`.

use std::collections::BTreeSet;

use klamm_client::LogDirDescription;
use serde::Serialize;

use crate::call::{Call, Outcome};
use crate::connect::{self, exception_failure as failed};
use crate::output::{Failure, exception_of};
use crate::spec::{COMMAND_CONFIG, Example, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};

pub(crate) const TOOL: Tool = Tool {
    name: "log-dirs",
    script: Some("kafka-log-dirs"),
    group: Group::Cluster,
    about: "Show what the log directories of brokers hold",
    long: "Prints JSON: for each broker and directory the partitions in it, with their size in bytes and how far they are behind. \
           With `--json`, nothing else is printed.",
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        Flag::switch("describe", "Show it").required_by_tool(),
        Flag::text("broker-list", "ID,…", "Which brokers, as `0,1,2`; all if left out").default(""),
        Flag::text(
            "topic-list",
            "TOPIC,…",
            "Which topics, as `orders,payments`; all if left out",
        )
        .default(""),
        COMMAND_CONFIG,
    ],
    examples: &[
        Example {
            does: "How much space a topic takes",
            line: "log-dirs --bootstrap-server localhost:9092 --describe --topic-list orders",
        },
        Example {
            does: "What broker 1 holds, for another program",
            line: "log-dirs --bootstrap-server localhost:9092 --describe --broker-list 1 --json",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::joptsimple()
};

/// The answer, in the order of Kafka's JSON.
#[derive(Serialize)]
struct Answer {
    brokers: Vec<Broker>,
    version: i32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Broker {
    broker: i32,
    log_dirs: Vec<LogDir>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogDir {
    partitions: Vec<Partition>,
    error: Option<String>,
    log_dir: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Partition {
    partition: String,
    size: i64,
    offset_lag: i64,
    is_future: bool,
}

async fn run(call: &mut Call) -> Outcome {
    let args = &call.args;
    check::required(args, &["bootstrap-server", "describe"])?;
    let wanted = brokers(args.get("broker-list").unwrap_or_default())?;
    let topics = args.get("topic-list").unwrap_or_default().split(',');
    let topics: BTreeSet<String> = topics.filter(|topic| !topic.is_empty()).map(str::to_owned).collect();
    let client = connect::client(args)?;
    let admin = client.admin();
    let cluster = admin.describe_cluster(false).await;
    let cluster = cluster.map_err(|error| failed(&error, "listNodes"))?;
    let missing: Vec<String> = wanted
        .iter()
        .filter(|id| !cluster.nodes.contains_key(id))
        .map(ToString::to_string)
        .collect();
    if !missing.is_empty() {
        return Err(Failure::kafka(format!(
            "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
            missing.join(","),
            joined(cluster.nodes.keys())
        )));
    }
    let asked: Vec<i32> = match wanted.is_empty() {
        true => cluster.nodes.keys().copied().collect(),
        false => wanted.into_iter().collect(),
    };
    let is_json = call.out.is_json();
    if !is_json {
        call.out.line("Querying brokers for log directories information")?;
    }
    let described = admin.describe_log_dirs(&asked, None).await;
    let mut answer = Answer {
        brokers: Vec::new(),
        version: 1,
    };
    for (broker, dirs) in described.map_err(|error| failed(&error, "describeLogDirs"))? {
        let dirs = dirs.map_err(|error| failed(&error, "describeLogDirs"))?;
        let log_dirs = dirs.iter().map(|dir| log_dir(dir, &topics)).collect();
        answer.brokers.push(Broker { broker, log_dirs });
    }
    if !is_json {
        call.out.line(format_args!(
            "Received log directory information from brokers {}",
            joined(asked.iter())
        ))?;
    }
    call.out.json(&answer)
}

fn brokers(list: &str) -> Result<BTreeSet<i32>, Failure> {
    let ids = list.split(',').filter(|id| !id.is_empty());
    ids.map(|id| {
        id.trim().parse().map_err(|_| {
            Failure::kafka(format!("For input string: \"{id}\"")).hint("`--broker-list` takes ids, as `0,1,2`")
        })
    })
    .collect()
}

fn joined<'a>(ids: impl Iterator<Item = &'a i32>) -> String {
    ids.map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn log_dir(dir: &LogDirDescription, topics: &BTreeSet<String>) -> LogDir {
    let replicas = dir
        .replicas
        .iter()
        .filter(|(partition, _)| topics.is_empty() || topics.contains(&*partition.topic));
    let partitions = replicas.map(|(partition, replica)| Partition {
        partition: partition.to_string(),
        size: replica.size,
        offset_lag: replica.offset_lag,
        is_future: replica.is_future,
    });
    let error = dir.error.as_ref().map(|error| match error.code() {
        Some(code) => format!("org.apache.kafka.common.errors.{}", exception_of(code)),
        None => error.to_string(),
    });
    LogDir {
        partitions: partitions.collect(),
        error,
        log_dir: dir.path.clone(),
    }
}
