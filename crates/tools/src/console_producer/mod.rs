//! `klamm console-producer`: a record for each line of standard input, as Kafka's `kafka-console-producer`.
//!
//! Lines go into the producer's batches straight from the blocks that were read, on this thread; another one sends.

mod reader;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use klamm_client::Properties;

use crate::call::{Call, Outcome};
use crate::connect;
use crate::feed::{Came, Feed, Finished, Input, Splitter, Terminator, refused, words};
use crate::output::Failure;
use crate::signals::interrupted;
use crate::spec::{Example, Flag, Group, Matches, OPTIONAL_BOOTSTRAP_SERVER, Run, Tool, check};
use reader::LineReader;

const READER: &str = "org.apache.kafka.tools.LineMessageReader";

const READER_PROPERTIES: &str = "How lines are read: parse.key, parse.headers and ignore.error are true or false; key.separator (a tab), \
    headers.delimiter (a tab), headers.separator (,), headers.key.separator (:) and null.marker (none) are texts. \
    A line is then `HEADERS<delimiter>KEY<separator>VALUE`";

pub(crate) const TOOL: Tool = Tool {
    name: "console-producer",
    script: Some("kafka-console-producer"),
    group: Group::Records,
    about: "Produce a record for each line of standard input",
    long: "Ends with the input, when every line has been delivered or has failed; failures are told on stderr.\n\nLines are \
           taken as bytes and need not be UTF-8. For files, JSON, other delimiters and compression in one letter, see \
           `klamm produce`.",
    flags: &[
        OPTIONAL_BOOTSTRAP_SERVER.required_by_tool(),
        Flag::text("topic", "TOPIC", "The topic to produce to").required_by_tool(),
        Flag::switch("sync", "Wait for the acknowledgement of each line before the next"),
        Flag::text(
            "compression-codec",
            "CODEC",
            "none, gzip, snappy, lz4 or zstd; gzip if no codec is named",
        )
        .value_optional(),
        Flag::text("reader-property", "KEY=VALUE", READER_PROPERTIES).repeated(),
        Flag::file("reader-config", "FILE", "The same, one `key=value` a line"),
        Flag::text("property", "KEY=VALUE", "As `--reader-property`")
            .repeated()
            .deprecated("--reader-property"),
        Flag::text(
            "line-reader",
            "CLASS",
            "Kafka's class of the reader; there is only the one",
        )
        .default(READER),
        Flag::text(
            "request-required-acks",
            "ACKS",
            "Acknowledgements that a record needs: all or -1, 1, 0",
        )
        .default("-1"),
        Flag::int("batch-size", "BYTES", "How large batches get").default("16384"),
        Flag::int("max-partition-memory-bytes", "BYTES", "As `--batch-size`")
            .default("16384")
            .deprecated("--batch-size"),
        Flag::long("timeout", "MS", "How long a batch waits for more lines").default("1000"),
        Flag::long(
            "max-memory-bytes",
            "BYTES",
            "How many bytes may wait to be sent; 16777216 unless given, where Kafka's tool has 33554432",
        ),
        Flag::long(
            "max-block-ms",
            "MS",
            "How long a line waits for room and for the topic to be known",
        )
        .default("60000"),
        Flag::int("message-send-max-retries", "COUNT", "How often a batch is sent again").default("3"),
        Flag::long("retry-backoff-ms", "MS", "How long to wait before that").default("100"),
        Flag::int("request-timeout-ms", "MS", "How long a broker may take to answer").default("1500"),
        Flag::long(
            "metadata-expiry-ms",
            "MS",
            "When to look for new leaders although nothing failed",
        )
        .default("300000"),
        Flag::int(
            "socket-buffer-size",
            "BYTES",
            "Size of the socket's send buffer; left to the system unless given",
        ),
        Flag::text(
            "command-property",
            "KEY=VALUE",
            "A setting of the producer, over those of `--command-config`",
        )
        .repeated(),
        Flag::text("producer-property", "KEY=VALUE", "As `--command-property`")
            .repeated()
            .deprecated("--command-property"),
        crate::spec::COMMAND_CONFIG,
        Flag::file("producer.config", "FILE", "As `--command-config`").deprecated("--command-config"),
    ],
    examples: &[
        Example {
            does: "A record for each line that is typed, until Ctrl-D",
            line: "console-producer --bootstrap-server localhost:9092 --topic orders",
        },
        Example {
            does: "Keys before a colon",
            line: "console-producer --bootstrap-server localhost:9092 --topic orders --reader-property parse.key=true \
                   --reader-property key.separator=:",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::joptsimple()
};

/// Flags that set a property of the producer when they are given, or when nothing else sets it.
const SETTINGS: &[(&str, &str)] = &[
    ("request-required-acks", "acks"),
    ("timeout", "linger.ms"),
    ("message-send-max-retries", "retries"),
    ("retry-backoff-ms", "retry.backoff.ms"),
    ("request-timeout-ms", "request.timeout.ms"),
    ("metadata-expiry-ms", "metadata.max.age.ms"),
    ("max-block-ms", "max.block.ms"),
    ("max-memory-bytes", "buffer.memory"),
    ("batch-size", "batch.size"),
    ("max-partition-memory-bytes", "batch.size"),
    ("socket-buffer-size", "send.buffer.bytes"),
];

/// Old flags, the new ones, and when the old ones go.
const RENAMED: &[(&str, &str, &str)] = &[
    ("producer-property", "command-property", "a future version"),
    ("producer.config", "command-config", "a future version"),
    ("property", "reader-property", "a future version"),
    ("max-partition-memory-bytes", "batch-size", "Apache Kafka 5.0"),
];

fn run(call: &mut Call) -> Outcome {
    check_flags(call)?;
    let reader = LineReader::new(&reader_properties(&call.args)?)?;
    let topic = call.args.get("topic").unwrap_or_default().to_owned();
    let mut feed = Feed::start(producer_properties(&call.args)?)?.about(&topic);
    let mut run = Lines {
        topic,
        reader,
        sync: call.args.has("sync"),
        taken: 0,
        refused: 0,
        over: false,
    };
    let fed = run.feed(call, &mut feed);
    let finished = feed.finish();
    run.tell_failures(call, &feed);
    feed.shut_down();
    run.end(call, finished, fed)
}

fn check_flags(call: &mut Call) -> Outcome {
    let args = &call.args;
    check::required(args, &["topic"])?;
    for (new, old) in [
        ("command-config", "producer.config"),
        ("command-property", "producer-property"),
        ("reader-property", "property"),
    ] {
        if args.has(new) && args.has(old) {
            let message = format!("Options --{new} and --{old} cannot be specified together.");
            return Err(check::usage(args, message));
        }
    }
    for (old, new, when) in RENAMED {
        if call.args.has(old) {
            call.out.note(format_args!(
                "Warning: --{old} is deprecated and will be removed in {when}. Use --{new} instead."
            ))?;
        }
    }
    let args = &call.args;
    if args.get("bootstrap-server").is_none_or(|list| list.trim().is_empty()) {
        return Err(
            check::usage(args, "Error while validating the bootstrap address").hint("`--bootstrap-server` is missing")
        );
    }
    check::addresses(args)?;
    let class = args.get("line-reader").unwrap_or(READER);
    match class.rsplit('.').next() {
        Some("LineMessageReader") => Ok(()),
        _ => Err(Failure::kafka(format!("java.lang.ClassNotFoundException: {class}"))
            .hint(format!("{READER} is the only reader; `klamm produce` reads JSON"))),
    }
}

/// `key=value` and, as Kafka's tools take it, `key` alone.
fn pairs(args: &Matches, flags: &[&str]) -> Properties {
    let given = flags.iter().flat_map(|flag| args.all(flag));
    given.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect()
}

fn reader_properties(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = connect::file(args, "reader-config")?;
    properties.extend(&pairs(args, &["property", "reader-property"]));
    Ok(properties)
}

/// Half of Kafka's default: more is not faster, and a tool in a pipe is to be small.
const BUFFER_MEMORY: &str = "16777216";

fn producer_properties(args: &Matches) -> Result<Properties, Failure> {
    let mut properties = connect::file(args, "producer.config")?;
    properties.extend(&connect::file(args, "command-config")?);
    properties.extend(&pairs(args, &["producer-property", "command-property"]));
    properties.set("bootstrap.servers", args.get("bootstrap-server").unwrap_or_default());
    let codec = match (args.has("compression-codec"), args.get("compression-codec")) {
        (true, Some(codec)) if !codec.is_empty() => codec,
        (true, _) => "gzip",
        (false, _) => "none",
    };
    properties.set("compression.type", codec);
    properties.set_default("client.id", "console-producer");
    for (flag, key) in SETTINGS {
        let Some(value) = args.get(flag) else { continue };
        match args.has(flag) {
            true => properties.set(*key, value),
            false => properties.set_default(key, value),
        }
    }
    properties.set_default("buffer.memory", BUFFER_MEMORY);
    Ok(properties)
}

/// The lines of a run and what became of them.
struct Lines {
    topic: String,
    reader: LineReader,
    sync: bool,
    taken: u64,
    /// Records that the producer did not take.
    refused: u64,
    /// A signal came while a line waited.
    over: bool,
}

impl Lines {
    fn feed(&mut self, call: &mut Call, feed: &mut Feed) -> Outcome {
        let prompts = call.colour() && std::io::stdin().is_terminal();
        let input = Input::new(call.take_input());
        let mut splitter = Splitter::new(Terminator::Line);
        prompt(call, prompts)?;
        loop {
            let came = input.next(Duration::from_millis(100))?;
            let mut each = |line: &[u8]| self.put(call, feed, line);
            match came {
                Came::Block(block) => {
                    splitter.feed(&block, &mut each)?;
                    input.reuse(block);
                    prompt(call, prompts)?;
                }
                Came::Nothing => {}
                Came::End => return splitter.finish(&mut each),
            }
            self.tell_failures(call, feed);
            if feed.stopped().is_some() {
                return Ok(());
            }
        }
    }

    fn put(&mut self, call: &mut Call, feed: &mut Feed, line: &[u8]) -> Outcome {
        if self.over {
            return Ok(());
        }
        let record = self.reader.read(&self.topic, line, self.taken + 1)?;
        self.taken += 1;
        let mut delivery = match feed.put(record, &mut call.err) {
            Ok(delivery) => delivery,
            Err(None) => {
                self.taken -= 1;
                self.over = true;
                return Ok(());
            }
            Err(Some(error)) => {
                self.refused += 1;
                if self.sync {
                    return Err(Failure::own(words(&error)));
                }
                // As Kafka's: told, and on with the next line.
                call.err.line(refused(&self.topic, &error));
                return Ok(());
            }
        };
        if !self.sync {
            return Ok(());
        }
        match feed.wait(&mut delivery) {
            Some(Err(error)) => Err(Failure::own(words(&error))),
            Some(Ok(_)) => Ok(()),
            None => {
                self.over = true;
                Ok(())
            }
        }
    }

    /// With `--sync` the one failure ends it and is told then.
    fn tell_failures(&self, call: &mut Call, feed: &Feed) {
        for line in feed.take_failures().into_iter().filter(|_| !self.sync) {
            call.err.line(line);
        }
    }

    /// Says what was done, where that is not all of it.
    fn end(&self, call: &mut Call, finished: Finished, fed: Outcome) -> Outcome {
        let (delivered, failed) = (finished.delivered, self.refused + finished.failed);
        let unknown = finished.unknown(self.taken - self.refused);
        if call.out.is_json() {
            call.out
                .json(&serde_json::json!({ "delivered": delivered, "failed": failed, "unknown": unknown }))?;
        }
        let mut so_far = format!("{delivered} of the {} lines read before it are delivered", self.taken);
        if unknown > 0 {
            so_far += &format!("; what became of {unknown} is not known");
        }
        match (fed, finished.signal) {
            (Err(failure), _) => Err(failure.hint(so_far)),
            (Ok(()), Some(code)) => Err(interrupted(code).hint(so_far)),
            // Kafka's tool ends with 0 here.
            (Ok(()), None) if failed > 0 => {
                let servers = call.args.get("bootstrap-server").unwrap_or_default();
                call.err.line(format_args!(
                    "WARN {failed} of {} lines were not delivered to {servers}",
                    self.taken
                ));
                Ok(())
            }
            (Ok(()), None) => Ok(()),
        }
    }
}

fn prompt(call: &mut Call, prompts: bool) -> Outcome {
    if prompts {
        call.out.write_all(b">")?;
        call.out.flush()?;
    }
    Ok(())
}
