//! `klamm verifiable-producer`: rising numbers, and a line of JSON for each, as Kafka's `kafka-verifiable-producer`.

use std::collections::VecDeque;
use std::time::Instant;

use klamm_client::{Delivery, Properties, Record, RecordMetadata, SendError};
use serde::Serialize;

use crate::call::{Call, Outcome};
use crate::connect;
use crate::feed::{Feed, words};
use crate::output::Failure;
use crate::signals::interrupted;
use crate::spec::{Example, Exclusive, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool};
use crate::verifiable::{Nothing, tell};

pub(crate) const TOOL: Tool = Tool {
    name: "verifiable-producer",
    script: Some("kafka-verifiable-producer"),
    group: Group::Load,
    about: "Produce rising numbers, and tell what became of each",
    long: "For tests of clusters: each record that was acknowledged or failed is a line of JSON on standard output, and so are the \
           start, the end and a summary. A record that failed is not sent again. Ends after `--max-messages` or at a signal.",
    mistake_prefix: "verifiable-producer: error: ",
    help_exit: 1,
    bare_help: Some(0),
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER,
        Flag::text("topic", "TOPIC", "The topic to produce to").required(),
        Flag::int("max-messages", "COUNT", "Send so many records; -1 for no end").default("-1"),
        Flag::int(
            "throughput",
            "RATE",
            "At most so many records a second; -1 as many as possible",
        )
        .default("-1"),
        Flag::choice(
            "acks",
            "ACKS",
            &["0", "1", "-1"],
            "Acknowledgements that a record needs: -1 those of all replicas in sync, 1 the leader's, 0 none",
        )
        .default("-1"),
        Flag::long(
            "message-create-time",
            "MS",
            "The time of the first record, in milliseconds since 1970; now unless given",
        )
        .default("-1"),
        Flag::int(
            "value-prefix",
            "NUMBER",
            "Put this number and a full stop before each number",
        ),
        Flag::int(
            "repeating-keys",
            "COUNT",
            "Give records the keys 0, 1 and so on, so many, and again from 0",
        ),
        crate::spec::COMMAND_CONFIG,
        Flag::file("producer.config", "FILE", "As `--command-config`").deprecated("--command-config"),
    ],
    exclusive: &[Exclusive {
        flags: &["bootstrap-server"],
        required: true,
    }],
    examples: &[
        Example {
            does: "A thousand numbers",
            line: "verifiable-producer --bootstrap-server localhost:9092 --topic numbers --max-messages 1000",
        },
        Example {
            does: "Ten a second until Ctrl-C, with three keys",
            line: "verifiable-producer --bootstrap-server localhost:9092 --topic numbers --throughput 10 --repeating-keys 3",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::argparse()
};

#[derive(Serialize)]
struct Success<'a> {
    key: Option<&'a str>,
    value: &'a str,
    offset: i64,
    topic: &'a str,
    partition: i32,
}

#[derive(Serialize)]
struct Failed<'a> {
    exception: String,
    key: Option<&'a str>,
    value: &'a str,
    topic: &'a str,
    message: String,
}

#[derive(Serialize)]
struct Summary {
    sent: u64,
    acked: u64,
    target_throughput: i32,
    avg_throughput: f64,
}

/// A record on its way.
struct Sent {
    delivery: Delivery,
    key: Option<String>,
    value: String,
}

/// Records that are waited for before the next one is sent.
const MAX_WAITING: usize = 10_000;

fn run(call: &mut Call) -> Outcome {
    let topic = call.args.get("topic").unwrap_or_default().to_owned();
    let mut feed = Feed::start(properties(call)?)?.about(&topic);
    let mut numbers = Numbers {
        topic,
        begun: Instant::now(),
        waiting: VecDeque::new(),
        sent: 0,
        acked: 0,
    };
    tell(call, "startup_complete", Nothing {})?;
    call.out.flush()?;
    numbers.produce(call, &mut feed)?;
    let finished = feed.finish();
    while !numbers.waiting.is_empty() {
        numbers.tell_oldest(call, &feed)?;
    }
    tell(call, "shutdown_complete", Nothing {})?;
    let millis = numbers.begun.elapsed().as_millis().max(1) as f64;
    let summary = Summary {
        sent: numbers.sent,
        acked: numbers.acked,
        target_throughput: call.args.int("throughput").unwrap_or(-1),
        avg_throughput: 1000.0 * (numbers.acked as f64 / millis),
    };
    tell(call, "tool_data", summary)?;
    feed.shut_down();
    match finished.signal {
        Some(code) => Err(interrupted(code)),
        None => Ok(()),
    }
}

fn properties(call: &mut Call) -> Result<Properties, Failure> {
    let args = &call.args;
    let mut properties = Properties::new();
    properties.set("bootstrap.servers", args.get("bootstrap-server").unwrap_or_default());
    properties.set("acks", args.get("acks").unwrap_or("-1"));
    properties.set("retries", "0");
    if args.has("producer.config") {
        if args.has("command-config") {
            let message = "Options --producer.config and --command-config are mutually exclusive.";
            return Err(Failure::kafka(format!("{}{message}", TOOL.mistake_prefix)));
        }
        call.out.note(
            "Option --producer.config has been deprecated and will be removed in a future version. Use --command-config instead.",
        )?;
        properties.extend(&connect::file(&call.args, "producer.config")?);
    }
    properties.extend(&connect::file(&call.args, "command-config")?);
    Ok(properties)
}

struct Numbers {
    topic: String,
    begun: Instant,
    waiting: VecDeque<Sent>,
    sent: u64,
    acked: u64,
}

impl Numbers {
    fn produce(&mut self, call: &mut Call, feed: &mut Feed) -> Outcome {
        let max = call.args.int("max-messages").unwrap_or(-1);
        let max = u64::try_from(max).unwrap_or(u64::MAX);
        let rate = f64::from(call.args.int("throughput").unwrap_or(-1));
        let prefix = call.args.int("value-prefix");
        let keys = call.args.int("repeating-keys").filter(|keys| *keys > 0);
        let first_time = call.args.long("message-create-time").filter(|time| *time >= 0);
        for n in 0..max {
            let value = prefix.map_or_else(|| n.to_string(), |prefix| format!("{prefix}.{n}"));
            let key = keys.map(|keys| (n % keys as u64).to_string());
            let mut record = Record::to(self.topic.as_str()).value(&value);
            if let Some(key) = &key {
                record = record.key(key);
            }
            if let Some(first) = first_time {
                record = record.timestamp(first.saturating_add(self.begun.elapsed().as_millis() as i64));
            }
            self.sent += 1;
            match feed.put(record, &mut call.err) {
                Ok(delivery) => self.waiting.push_back(Sent { delivery, key, value }),
                Err(Some(error)) => tell_failure(call, &self.topic, key.as_deref(), &value, &error)?,
                Err(None) => self.sent -= 1,
            }
            self.tell_ready(call, feed)?;
            while !feed.keep_rate(
                self.begun,
                n + 1,
                rate,
                self.waiting.front_mut().map(|sent| &mut sent.delivery),
            ) {
                self.tell_ready(call, feed)?;
            }
            if feed.stopped().is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Tells what became of the oldest records, as far as that is known.
    fn tell_ready(&mut self, call: &mut Call, feed: &mut Feed) -> Outcome {
        while let Some(oldest) = self.waiting.front_mut() {
            let outcome = match feed.outcome(&mut oldest.delivery) {
                None if self.waiting.len() > MAX_WAITING => match self.waiting.front_mut() {
                    Some(oldest) => feed.wait(&mut oldest.delivery),
                    None => None,
                },
                outcome => outcome,
            };
            let Some(outcome) = outcome else { break };
            self.tell_outcome(call, outcome)?;
        }
        if self.waiting.is_empty() {
            call.out.flush()?;
        }
        Ok(())
    }

    fn tell_oldest(&mut self, call: &mut Call, feed: &Feed) -> Outcome {
        let oldest = self.waiting.front_mut();
        let outcome = oldest.and_then(|oldest| feed.outcome(&mut oldest.delivery));
        // The producer has ended, so each record has its outcome.
        self.tell_outcome(call, outcome.unwrap_or(Err(SendError::Closed)))
    }

    fn tell_outcome(&mut self, call: &mut Call, outcome: Result<RecordMetadata, SendError>) -> Outcome {
        let Some(Sent { key, value, .. }) = self.waiting.pop_front() else {
            return Ok(());
        };
        match outcome {
            Ok(placed) => {
                self.acked += 1;
                let success = Success {
                    key: key.as_deref(),
                    value: &value,
                    offset: placed.offset,
                    topic: &placed.topic,
                    partition: placed.partition,
                };
                tell(call, "producer_send_success", success)
            }
            Err(error) => tell_failure(call, &self.topic, key.as_deref(), &value, &error),
        }
    }
}

fn tell_failure(call: &mut Call, topic: &str, key: Option<&str>, value: &str, error: &SendError) -> Outcome {
    let words = words(error);
    let (class, message) = words.split_once(": ").unwrap_or((&words, ""));
    let failed = Failed {
        exception: format!("class {class}"),
        key,
        value,
        topic,
        message: message.to_owned(),
    };
    tell(call, "producer_send_error", failed)
}
