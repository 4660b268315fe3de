//! `klamm console-consumer`: prints records to standard output, as Kafka's `kafka-console-consumer`.
//!
//! Without a group it reads the partitions by itself, where Kafka's tool makes up a group and waits for it to form.

mod format;
mod options;
mod source;

use std::io::{self, Write as _};

use klamm_client::consumer::ConsumerRecord;

use crate::call::{Call, Outcome};
use crate::output::Failure;
use crate::signals::{interrupted, signal};
use crate::spec::{Example, Flag, Group, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool};
use options::Options;
use source::{Source, read_ahead};

const FORMATTER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";

pub(crate) const TOOL: Tool = Tool {
    name: "console-consumer",
    script: Some("kafka-console-consumer"),
    group: Group::Records,
    about: "Print records to standard output",
    long: "Begins at the end of the topic unless told otherwise, and goes on until it is stopped, by `--max-messages`, \
           `--timeout-ms` or a signal.\n\nWith `--group` it is a member of that group, begins where the group is and commits. \
           Without, it reads all partitions by itself.\n\nFor a format of your own, keys and headers to look for, or JSON, see \
           `klamm consume`.",
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        Flag::text("topic", "TOPIC", "The topic to read"),
        Flag::text("include", "PATTERN", "Instead of `--topic`: a regular expression for the names of topics"),
        Flag::int("partition", "NUMBER", "Only this partition of the topic; from its end unless `--offset` is given"),
        Flag::text("offset", "OFFSET", "Where to begin in `--partition`: a number, `earliest` or `latest`").default("latest"),
        Flag::switch("from-beginning", "Begin with the first record there is, where the group has no offset"),
        Flag::int("max-messages", "COUNT", "End after so many records"),
        Flag::long("timeout-ms", "MS", "End when no record came for so long"),
        Flag::text("group", "GROUP", "Be a member of this group"),
        Flag::choice(
            "isolation-level",
            "LEVEL",
            &["read_uncommitted", "read_committed"],
            "Whether records of transactions are shown before they are committed",
        )
        .default("read_uncommitted"),
        Flag::text("formatter", "CLASS", "Kafka's class of the formatter: DefaultMessageFormatter, LoggingMessageFormatter, \
            NoOpMessageFormatter, OffsetsMessageFormatter, GroupMetadataMessageFormatter, TransactionLogMessageFormatter or \
            ShareGroupStateMessageFormatter, with or without package").default(FORMATTER),
        Flag::text(
            "formatter-property",
            "KEY=VALUE",
            "What to print: print.timestamp, print.key, print.value, print.partition, print.offset, print.epoch and print.headers \
             are true or false; key.separator, line.separator, headers.separator and null.literal are texts; key.deserializer, \
             value.deserializer and headers.deserializer are Kafka's classes for numbers and texts",
        )
        .repeated(),
        Flag::file("formatter-config", "FILE", "The same, one `key=value` a line"),
        Flag::text("property", "KEY=VALUE", "As `--formatter-property`").repeated().deprecated("--formatter-property"),
        Flag::text("key-deserializer", "CLASS", "As `--formatter-property key.deserializer=CLASS`"),
        Flag::text("value-deserializer", "CLASS", "As `--formatter-property value.deserializer=CLASS`"),
        Flag::switch("skip-message-on-error", "Go on after a record that can't be formatted"),
        Flag::switch("enable-systest-events", "Print `shutdown_complete` in the end"),
        Flag::text("command-property", "KEY=VALUE", "A setting of the consumer, over those of `--command-config`").repeated(),
        Flag::text("consumer-property", "KEY=VALUE", "As `--command-property`").repeated().deprecated("--command-property"),
        crate::spec::COMMAND_CONFIG,
        Flag::file("consumer.config", "FILE", "As `--command-config`").deprecated("--command-config"),
    ],
    examples: &[
        Example {
            does: "All of a topic, with keys",
            line: "console-consumer --bootstrap-server localhost:9092 --topic orders --from-beginning --formatter-property print.key=true",
        },
        Example {
            does: "Ten records of partition 3 from offset 4711 on",
            line: "console-consumer --bootstrap-server localhost:9092 --topic orders --partition 3 --offset 4711 --max-messages 10",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::joptsimple()
};

fn run(call: &mut Call) -> Outcome {
    let options = Options::read(call)?;
    // Records are fetched on a thread of their own while this one prints.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::own(format!("can't start: {error}")))?;
    let mut count = 0u64;
    let ended = runtime.block_on(consume(call, &options, &mut count));
    runtime.shutdown_background();
    let flushed = call.out.flush();
    call.err.line(format_args!("Processed a total of {count} messages"));
    if options.systest_events && !call.out.is_json() {
        call.out.line("shutdown_complete")?;
    }
    ended.and(flushed)
}

async fn consume(call: &mut Call, options: &Options, count: &mut u64) -> Outcome {
    let source = Source::new(options.properties.clone(), &options.wanted).await?;
    let outcome = tokio::select! {
        outcome = print(call, options, &source, count) => outcome,
        code = signal() => Err(interrupted(code)),
    };
    source.close().await;
    outcome
}

async fn print(call: &mut Call, options: &Options, source: &Source, count: &mut u64) -> Outcome {
    if !source.reach(call, options.timeout).await? {
        tell_end(call, "org.apache.kafka.common.errors.TimeoutException");
        return Ok(());
    }
    while options.max_messages.is_none_or(|max| *count < max) {
        let records = match read_ahead(source, &mut call.out, options.timeout).await? {
            Ok(Some(records)) => records,
            Ok(None) => {
                tell_end(call, "org.apache.kafka.common.errors.TimeoutException");
                return Ok(());
            }
            Err(error) => {
                tell_end(call, &error.to_string());
                return Ok(());
            }
        };
        for records in records.by_partition() {
            let left = options.max_messages.map_or(u64::MAX, |max| max - *count);
            let wanted = records.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if let Some(first) = records.get(wanted) {
                source.not_consumed(first);
            }
            for record in &records[..wanted] {
                *count += 1;
                write(call, options, record).or_else(|error| skip(call, options, error))?;
            }
        }
    }
    Ok(())
}

/// A record that can't be printed ends the tool unless it was told otherwise.
fn skip(call: &mut Call, options: &Options, error: io::Error) -> Outcome {
    if error.kind() != io::ErrorKind::InvalidData {
        return Err(error.into());
    }
    call.err.line(format_args!("ERROR Error processing message: {error}"));
    match options.skip_on_error {
        true => Ok(()),
        false => Err(Failure::told(1)),
    }
}

/// Kafka's tool ends with success whatever it ends of.
fn tell_end(call: &mut Call, reason: &str) {
    call.err
        .line("ERROR Error processing message, terminating consumer process: ");
    call.err.line(reason);
}

fn write(call: &mut Call, options: &Options, record: &ConsumerRecord) -> io::Result<()> {
    if call.out.is_json() {
        serde_json::to_writer(&mut call.out, &json(record))?;
        return call.out.write_all(b"\n");
    }
    let err = &mut call.err;
    options
        .formatter
        .write(record, &mut call.out, &mut |line| err.line(line))
}

/// A record as JSON; bytes that are no text are shown as the nearest text.
pub(crate) fn json(record: &ConsumerRecord) -> serde_json::Value {
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let headers = record
        .headers()
        .map(|header| serde_json::json!({ "key": text(Some(header.key)), "value": text(header.value) }));
    serde_json::json!({
        "topic": record.topic(),
        "partition": record.partition(),
        "offset": record.offset(),
        "timestamp": record.timestamp(),
        "headers": headers.collect::<Vec<_>>(),
        "key": text(record.key()),
        "value": text(record.value()),
    })
}
