//! `klamm verifiable-consumer`: reads, commits and tells every event as JSON, as Kafka's `kafka-verifiable-consumer`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klamm_client::consumer::{ConsumerRecord, OffsetAndMetadata, RebalanceListener, Records};
use klamm_client::{CommitError, Consumer, Properties, TopicPartition};
use serde::Serialize;

use crate::call::{Call, Outcome};
use crate::connect;
use crate::output::Failure;
use crate::signals::{interrupted, signal};
use crate::spec::{BOOTSTRAP_SERVER, COMMAND_CONFIG, Example, Flag, Group, Run, Tool};
use crate::trouble::Trouble;
use crate::verifiable::{Event, Nothing, event, tell};

pub(crate) const TOOL: Tool = Tool {
    name: "verifiable-consumer",
    script: Some("kafka-verifiable-consumer"),
    group: Group::Load,
    about: "Read records and tell every event as a line of JSON",
    long: "For programs that test a cluster: events are startup_complete, partitions_assigned, partitions_revoked, \
           records_consumed, record_data (with `--verbose`), offsets_committed, shutdown_complete and shutdown_requested.",
    mistake_prefix: "verifiable-consumer: error: ",
    help_exit: 1,
    bare_help: Some(0),
    flags: &[
        BOOTSTRAP_SERVER,
        Flag::text("topic", "TOPIC", "The topic to read").required(),
        Flag::text("group-id", "GROUP", "The group to be a member of").required(),
        Flag::text(
            "group-instance-id",
            "ID",
            "Keep the member's place in the group across restarts, by this id",
        ),
        Flag::text("group-protocol", "PROTOCOL", "Only `classic` is offered yet").default("classic"),
        Flag::text(
            "group-remote-assignor",
            "NAME",
            "Only for the group protocol `consumer`",
        ),
        Flag::int("max-messages", "COUNT", "End after so many records; -1 for never").default("-1"),
        Flag::int(
            "session-timeout",
            "MS",
            "How long the member may be silent before it is out",
        )
        .default("30000"),
        Flag::switch("verbose", "Tell every record"),
        Flag::switch(
            "enable-autocommit",
            "Let the consumer commit from time to time instead of after every poll",
        ),
        Flag::text(
            "reset-policy",
            "POLICY",
            "Where to begin without an offset: `earliest`, `latest` or `none`",
        )
        .default("earliest"),
        Flag::text("assignment-strategy", "CLASS", "How the group shares out partitions")
            .default("org.apache.kafka.clients.consumer.RangeAssignor"),
        COMMAND_CONFIG,
        Flag::file("consumer.config", "FILE", "As `--command-config`").deprecated("--command-config"),
    ],
    hears_signals: true,
    examples: &[
        Example {
            does: "A hundred records, each told",
            line: "verifiable-consumer --bootstrap-server localhost:9092 --topic orders --group-id check --max-messages 100 --verbose",
        },
        Example {
            does: "A static member, until it is stopped",
            line: "verifiable-consumer --bootstrap-server localhost:9092 --topic orders --group-id check --group-instance-id one",
        },
    ],
    run: Run::Async(|call| Box::pin(run(call))),
    ..Tool::argparse()
};

#[derive(Serialize)]
struct Partition {
    topic: String,
    partition: i32,
}

#[derive(Serialize)]
struct Partitions {
    partitions: Vec<Partition>,
}

#[derive(Serialize)]
struct Consumed {
    count: usize,
    partitions: Vec<Summary>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    topic: String,
    partition: i32,
    count: usize,
    min_offset: i64,
    max_offset: i64,
}

#[derive(Serialize)]
struct Data<'a> {
    key: Option<String>,
    value: Option<String>,
    topic: &'a str,
    partition: i32,
    offset: i64,
}

#[derive(Serialize)]
struct Committed {
    offsets: Vec<CommittedOffset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    success: bool,
}

#[derive(Serialize)]
struct CommittedOffset {
    topic: String,
    partition: i32,
    offset: i64,
}

/// Events of the listener, in their order, until they are printed.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Event<Partitions>>>>);

impl Events {
    fn add(&self, name: &'static str, partitions: &[TopicPartition]) {
        let one = |key: &TopicPartition| Partition {
            topic: key.topic.to_string(),
            partition: key.partition,
        };
        let partitions = partitions.iter().map(one).collect();
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event(name, Partitions { partitions }));
    }

    fn print(&self, call: &mut Call) -> Outcome {
        let events = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if events.is_empty() {
            return Ok(());
        }
        events.iter().try_for_each(|event| call.out.json(event))?;
        call.out.flush()
    }
}

impl RebalanceListener for Events {
    async fn assigned(&self, _: &Consumer, partitions: &[TopicPartition]) {
        self.add("partitions_assigned", partitions);
    }

    async fn revoked(&self, _: &Consumer, partitions: &[TopicPartition]) {
        self.add("partitions_revoked", partitions);
    }
}

fn properties(call: &mut Call) -> Result<Properties, Failure> {
    if call.args.has("consumer.config") {
        if call.args.has("command-config") {
            let message = "Options --consumer.config and --command-config are mutually exclusive.";
            return Err(Failure::kafka(format!("{}{message}", TOOL.mistake_prefix)));
        }
        call.out.note(
            "Option --consumer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
        )?;
    }
    let args = &call.args;
    let mut properties = connect::file(args, "consumer.config")?;
    properties.extend(&connect::properties(args)?);
    for (flag, key) in [
        ("group-id", "group.id"),
        ("group-instance-id", "group.instance.id"),
        ("group-protocol", "group.protocol"),
        ("session-timeout", "session.timeout.ms"),
        ("reset-policy", "auto.offset.reset"),
        ("assignment-strategy", "partition.assignment.strategy"),
    ] {
        if let Some(value) = args.get(flag) {
            properties.set(key, value);
        }
    }
    properties.set("enable.auto.commit", args.has("enable-autocommit").to_string());
    Ok(properties)
}

async fn run(call: &mut Call) -> Outcome {
    let properties = properties(call)?;
    let client = connect::client_of(properties)?;
    let events = Events::default();
    let topic = call.args.get("topic").unwrap_or_default().to_owned();
    let builder = Consumer::builder(&client).listener(events.clone()).subscribe([topic]);
    let consumer = builder.build().await.map_err(|error| Failure::own(error.to_string()))?;
    tell(call, "startup_complete", Nothing {})?;
    call.out.flush()?;
    let outcome = consume(call, &consumer, &events, &mut Trouble::new(client)).await;
    if let Ok(Some(_)) = outcome {
        tell(call, "shutdown_requested", Nothing {})?;
        call.out.flush()?;
    }
    // Whoever takes over begins at the last commit, whether leaving went well or not.
    let _left = consumer.close().await;
    events.print(call)?;
    tell(call, "shutdown_complete", Nothing {})?;
    match outcome? {
        Some(code) => Err(interrupted(code)),
        None => tell(call, "shutdown_requested", Nothing {}),
    }
}

/// Reads until there is enough, or something goes wrong, or a signal came, whose exit code it returns.
async fn consume(
    call: &mut Call,
    consumer: &Consumer,
    events: &Events,
    trouble: &mut Trouble,
) -> Result<Option<u8>, Failure> {
    let limit = call.args.int("max-messages").unwrap_or(-1);
    let mut left = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut signal = std::pin::pin!(signal());
    while left > 0 {
        let polled = tokio::select! {
            polled = consumer.poll(Duration::from_millis(100)) => polled,
            code = &mut signal => return Ok(Some(code)),
        };
        events.print(call)?;
        let records = match polled {
            Ok(records) if records.is_empty() => {
                trouble.look(&mut call.err).await;
                continue;
            }
            Ok(records) => records,
            Err(error) => {
                tell_error(call, &error);
                return Ok(None);
            }
        };
        trouble.over();
        let offsets = tell_records(call, &records, &mut left)?;
        if !call.args.has("enable-autocommit") && !commit(call, consumer, offsets).await? {
            return Ok(None);
        }
        call.out.flush()?;
    }
    Ok(None)
}

/// Kafka's tool logs it and ends as if all were well.
fn tell_error(call: &mut Call, error: &dyn std::fmt::Display) {
    call.err.line(format_args!(
        "ERROR Error during processing, terminating consumer process: {error}"
    ));
}

fn tell_records(
    call: &mut Call,
    records: &Records,
    left: &mut usize,
) -> Result<BTreeMap<TopicPartition, OffsetAndMetadata>, Failure> {
    let mut offsets = BTreeMap::new();
    let mut partitions = Vec::new();
    for of_partition in records.by_partition() {
        let taken = &of_partition[..of_partition.len().min(*left)];
        let (Some(first), Some(last)) = (taken.first(), taken.last()) else {
            break;
        };
        if call.args.has("verbose") {
            for record in taken {
                tell(call, "record_data", data(record))?;
            }
        }
        partitions.push(Summary {
            topic: first.topic().to_owned(),
            partition: first.partition(),
            count: taken.len(),
            min_offset: first.offset(),
            max_offset: last.offset(),
        });
        let key = TopicPartition::new(first.shared_topic(), first.partition());
        offsets.insert(key, OffsetAndMetadata::new(last.offset() + 1));
        *left -= taken.len();
    }
    let count = records.len();
    tell(call, "records_consumed", Consumed { count, partitions })?;
    Ok(offsets)
}

fn data(record: &ConsumerRecord) -> Data<'_> {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Data {
        key: text(record.key()),
        value: text(record.value()),
        topic: record.topic(),
        partition: record.partition(),
        offset: record.offset(),
    }
}

/// Commits and tells how that went. False: another has taken this member's place.
async fn commit(
    call: &mut Call,
    consumer: &Consumer,
    offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
) -> Result<bool, Failure> {
    let told = offsets.iter().map(|(key, offset)| CommittedOffset {
        topic: key.topic.to_string(),
        partition: key.partition,
        offset: offset.offset,
    });
    let told = told.collect();
    let error = match consumer.commit_offsets(offsets).await {
        Ok(()) => None,
        Err(error @ CommitError::Fenced) => {
            tell_error(call, &error);
            return Ok(false);
        }
        Err(error) => Some(error.to_string()),
    };
    let committed = Committed {
        offsets: told,
        success: error.is_none(),
        error,
    };
    tell(call, "offsets_committed", committed)?;
    Ok(true)
}
