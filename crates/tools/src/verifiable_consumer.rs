//! `klamm verifiable-consumer`: reads, commits and tells every event as JSON, as Kafka's `kafka-verifiable-consumer`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use klamm_client::consumer::{ConsumerRecord, OffsetAndMetadata, RebalanceListener};
use klamm_client::{CommitError, Consumer, Properties, TopicPartition};
use serde_json::{Map, Value, json};

use crate::call::{Call, Outcome};
use crate::connect;
use crate::console_consumer::signal;
use crate::consumer_perf_test::now_ms;
use crate::output::Failure;
use crate::spec::{BOOTSTRAP_SERVER, COMMAND_CONFIG, Example, Flag, Group, Run, Tool};

pub(crate) const TOOL: Tool = Tool {
    name: "verifiable-consumer",
    script: Some("kafka-verifiable-consumer"),
    group: Group::Load,
    about: "Read records and tell every event as a line of JSON",
    long: "For programs that test a cluster: events are startup_complete, partitions_assigned, partitions_revoked, \
           records_consumed, record_data (with `--verbose`), offsets_committed, shutdown_complete and shutdown_requested.",
    bare_help: Some(1),
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

/// Events of the listener, in their order, until they are printed.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<Value>>>);

impl Events {
    fn add(&self, name: &str, partitions: &[TopicPartition]) {
        let partitions: Vec<Value> = partitions.iter().map(partition).collect();
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event(name, json!({ "partitions": partitions })));
    }

    fn print(&self, call: &mut Call) -> Outcome {
        let events = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
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

fn partition(partition: &TopicPartition) -> Value {
    json!({ "topic": &*partition.topic, "partition": partition.partition })
}

fn event(name: &str, more: Value) -> Value {
    let mut event = Map::new();
    event.insert("timestamp".to_owned(), now_ms().into());
    event.insert("name".to_owned(), name.into());
    if let Value::Object(more) = more {
        event.extend(more);
    }
    Value::Object(event)
}

fn properties(call: &Call) -> Result<Properties, Failure> {
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
    let client = connect::client_of(properties(call)?)?;
    let events = Events::default();
    let topic = call.args.get("topic").unwrap_or_default().to_owned();
    let builder = Consumer::builder(client).listener(events.clone()).subscribe([topic]);
    let consumer = builder.build().await.map_err(|error| Failure::own(error.to_string()))?;
    call.out.json(&event("startup_complete", Value::Null))?;
    call.out.flush()?;
    let outcome = tokio::select! {
        outcome = consume(call, &consumer, &events) => outcome,
        _ = signal() => Ok(()),
    };
    let _ = consumer.close().await;
    events.print(call)?;
    call.out.json(&event("shutdown_complete", Value::Null))?;
    call.out.json(&event("shutdown_requested", Value::Null))?;
    outcome
}

async fn consume(call: &mut Call, consumer: &Consumer, events: &Events) -> Outcome {
    let limit = call
        .args
        .int("max-messages")
        .and_then(|limit| usize::try_from(limit).ok());
    let mut left = limit.unwrap_or(usize::MAX);
    while left > 0 {
        let polled = consumer.poll(Duration::from_millis(100)).await;
        events.print(call)?;
        let records = match polled {
            Ok(records) if records.is_empty() => continue,
            Ok(records) => records,
            Err(error) => {
                call.err.line(format_args!(
                    "ERROR Error during processing, terminating consumer process: {error}"
                ));
                return Ok(());
            }
        };
        let mut offsets = BTreeMap::new();
        let mut summaries = Vec::new();
        for records in records.by_partition() {
            let taken = &records[..records.len().min(left)];
            let (Some(first), Some(last)) = (taken.first(), taken.last()) else {
                break;
            };
            if call.args.has("verbose") {
                taken
                    .iter()
                    .try_for_each(|record| call.out.json(&event("record_data", data(record))))?;
            }
            let key = TopicPartition::new(first.shared_topic(), first.partition());
            summaries.push(json!({
                "topic": first.topic(), "partition": first.partition(), "count": taken.len(),
                "minOffset": first.offset(), "maxOffset": last.offset(),
            }));
            offsets.insert(key, OffsetAndMetadata::new(last.offset() + 1));
            left -= taken.len();
        }
        call.out.json(&event(
            "records_consumed",
            json!({ "count": records.len(), "partitions": summaries }),
        ))?;
        if !call.args.has("enable-autocommit") {
            commit(call, consumer, offsets).await?;
        }
        call.out.flush()?;
    }
    Ok(())
}

fn data(record: &ConsumerRecord) -> Value {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    json!({
        "key": text(record.key()), "value": text(record.value()),
        "topic": record.topic(), "partition": record.partition(), "offset": record.offset(),
    })
}

async fn commit(call: &mut Call, consumer: &Consumer, offsets: BTreeMap<TopicPartition, OffsetAndMetadata>) -> Outcome {
    let told: Vec<Value> = offsets
        .iter()
        .map(|(key, offset)| json!({ "topic": &*key.topic, "partition": key.partition, "offset": offset.offset }))
        .collect();
    match consumer.commit_offsets(offsets).await {
        Ok(()) => call
            .out
            .json(&event("offsets_committed", json!({ "offsets": told, "success": true }))),
        Err(error @ CommitError::Fenced) => Err(Failure::own(error.to_string())),
        Err(error) => {
            let more = json!({ "offsets": told, "error": error.to_string(), "success": false });
            call.out.json(&event("offsets_committed", more))
        }
    }
}
