//! `klamm produce`: records from lines, files and JSON, in kcat's manners.

mod options;
mod sink;

use std::fs::File;
use std::io::{Read, Write as _};
use std::time::Duration;

use klamm_client::Record;
use serde_json::json;

use crate::call::{Call, Outcome};
use crate::envelope;
use crate::feed::{Came, Input, Splitter, Terminator, position};
use crate::output::Failure;
use crate::settings::{BOOTSTRAP, CONFIG, PATIENCE, PROPERTY, QUIET};
use crate::spec::{Example, Flag, Group, Hint, Operands, Run, Tool};
use options::{Cut, Options, Target};
use sink::Sink;

pub(crate) const TOOL: Tool = Tool {
    name: "produce",
    group: Group::Records,
    about: "Produce records from lines, files or JSON",
    long: "Each line of standard input is a record; files are a record each, or lines with `-l`. It ends with the input, when \
           every record has been delivered. At the first that can't be it stops, and says how many were.\n\nA line of JSON \
           (`-J`) is an object as `klamm consume -J`, `kcat -J` and `klamm console-consumer --json` print it: `payload`, `key`, \
           `headers`, `ts`, `topic` and `partition`, all optional. A topic or partition on the command line counts in place of \
           the line's; `-p -1` leaves the partition to the partitioner.\n\nThe letters are kcat's.",
    flags: &[
        BOOTSTRAP,
        Flag::text(
            "topic",
            "TOPIC",
            "The topic, if it does not stand first without an option",
        )
        .short('t'),
        Flag::int(
            "partition",
            "NUMBER",
            "The partition; -1 leaves the choice to the partitioner",
        )
        .short('p'),
        Flag::text(
            "delimiter",
            "TEXT",
            "What ends a record; escapes are \\n \\r \\t \\0 \\\\ \\xNN",
        )
        .short('D')
        .default("\\n"),
        Flag::text(
            "key-delimiter",
            "TEXT",
            "What ends the key of a record, which stands before its value",
        )
        .short('K'),
        Flag::text("key", "KEY", "The key of records that have none of their own").short('k'),
        Flag::text(
            "header",
            "NAME=VALUE",
            "A header for every record; NAME alone: without a value",
        )
        .short('H')
        .repeated(),
        Flag::switch("null", "Take empty keys and values for null").short('Z'),
        Flag::switch("json-lines", "Lines are JSON").short('J'),
        Flag::switch("lines", "Cut files into records as standard input").short('l'),
        Flag::long("count", "COUNT", "End after so many records").short('c'),
        Flag::switch("tee", "Print what is produced").short('T'),
        Flag::choice(
            "compression",
            "CODEC",
            &["none", "gzip", "snappy", "lz4", "zstd"],
            "How batches are compressed",
        )
        .short('z'),
        Flag::text(
            "partitioner",
            "NAME",
            "default (Java's), round_robin or consistent_random (librdkafka's)",
        ),
        QUIET,
        PATIENCE,
        PROPERTY,
        CONFIG,
    ],
    operands: Some(Operands {
        name: "TOPIC",
        about: "The topic, unless `-t` names it; then files to read in place of standard input",
        required: false,
        many: true,
        hint: Hint::File,
    }),
    examples: &[
        Example {
            does: "A record for each line that is typed, until Ctrl-D",
            line: "produce -b localhost:9092 orders",
        },
        Example {
            does: "Keys before a colon, a header on each",
            line: "produce orders -K : -H source=import -l orders.txt",
        },
        Example {
            does: "A tombstone",
            line: "produce orders -k customer-7 -Z -c 1",
        },
        Example {
            does: "Whole files, compressed",
            line: "produce pictures -z zstd *.png",
        },
        Example {
            does: "Records as JSON",
            line: "produce orders -J orders.jsonl",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::own()
};

fn run(call: &mut Call) -> Outcome {
    let options = Options::read(call)?;
    // All can be read, or nothing is produced.
    let files = options.files.iter().map(|path| open(path));
    let files: Vec<(String, File)> = files.collect::<Result<_, _>>()?;
    let mut sink = Sink::start(&options)?;
    let fed = match files.is_empty() {
        true => {
            let input = call.take_input();
            pieces(call, &options, &mut sink, "standard input", input)
        }
        false => feed_files(call, &options, &mut sink, files),
    };
    let ended = sink.finish(fed);
    if call.out.is_json() {
        call.out
            .json(&json!({"delivered": ended.delivered, "failed": ended.failed, "unknown": ended.unknown}))?;
    } else if options.tells {
        call.err.line(format_args!("% {} delivered", records(ended.delivered)));
    }
    ended.outcome
}

fn records(count: u64) -> String {
    match count {
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    }
}

fn open(path: &str) -> Result<(String, File), Failure> {
    let failed =
        |error: std::io::Error| Failure::own(format!("can't read `{path}`: {error}")).hint("nothing was produced");
    let file = File::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_dir() {
        true => Err(failed(std::io::ErrorKind::IsADirectory.into())),
        false => Ok((path.to_owned(), file)),
    }
}

fn feed_files(call: &mut Call, options: &Options, sink: &mut Sink, files: Vec<(String, File)>) -> Outcome {
    for (path, file) in files {
        if sink.is_full(options) {
            return Ok(());
        }
        if !matches!(options.cut, Cut::Whole) {
            pieces(call, options, sink, &path, Box::new(file))?;
            continue;
        }
        let mut whole = Vec::new();
        // More than can be sent is not read.
        let read = file.take(options.max_bytes.saturating_add(1)).read_to_end(&mut whole);
        let read = read.map_err(|error| Failure::own(format!("can't read `{path}`: {error}")))?;
        let done = match read as u64 > options.max_bytes {
            true => Err(sink::larger_than(options.max_bytes)),
            false => put(call, options, sink, &whole),
        };
        done.map_err(|failure| failure.origin(format!("`{path}`")))?;
    }
    Ok(())
}

/// Cuts what is read into records.
fn pieces(call: &mut Call, options: &Options, sink: &mut Sink, from: &str, reader: Box<dyn Read + Send>) -> Outcome {
    let terminator = match &options.cut {
        Cut::At(delimiter) => delimiter.clone(),
        Cut::Json | Cut::Whole => b"\n".to_vec(),
    };
    let mut splitter = Splitter::new(Terminator::Bytes(terminator));
    let input = Input::new(reader);
    let mut number = 0u64;
    while !sink.is_full(options) {
        let came = input.next(Duration::from_millis(100))?;
        let mut each = |piece: &[u8]| {
            number += 1;
            if sink.is_full(options) {
                return Ok(());
            }
            put(call, options, sink, piece).map_err(|failure| failure.origin(format!("{from}, record {number}")))
        };
        match came {
            Came::Block(block) => {
                splitter.feed(&block, &mut each)?;
                input.reuse(block);
            }
            Came::Nothing => {}
            Came::End => return splitter.finish(&mut each),
        }
        // What was copied is seen at once.
        call.out.flush()?;
    }
    Ok(())
}

/// Produces one piece of input.
fn put(call: &mut Call, options: &Options, sink: &mut Sink, piece: &[u8]) -> Outcome {
    if let Cut::Json = options.cut {
        if piece.trim_ascii().is_empty() {
            return Ok(());
        }
        put_json(call, options, sink, piece)?;
    } else {
        let topic = options.topic.as_deref().unwrap_or_default();
        let mut record = plain(options, topic, piece);
        if let Target::This(partition) = options.partition {
            record = record.partition(partition);
        }
        sink.put(call, options, topic, with_headers(options, record))?;
    }
    if options.tee {
        call.out.write_all(piece)?;
        call.out.write_all(match &options.cut {
            Cut::At(delimiter) => delimiter,
            Cut::Json => b"\n",
            Cut::Whole => b"",
        })?;
    }
    Ok(())
}

fn plain<'a>(options: &'a Options, topic: &'a str, piece: &'a [u8]) -> Record<'a> {
    let (own_key, value) = match &options.key_delimiter {
        Some(delimiter) => match position(piece, delimiter) {
            Some(at) => (Some(&piece[..at]), &piece[at + delimiter.len()..]),
            None => (None, piece),
        },
        None => (None, piece),
    };
    let mut record = Record::to(topic);
    if let Some(key) = own_key.or(options.key.as_deref().map(str::as_bytes))
        && !(options.null && key.is_empty())
    {
        record = record.key(key);
    }
    match options.null && value.is_empty() {
        true => record,
        false => record.value(value),
    }
}

fn put_json(call: &mut Call, options: &Options, sink: &mut Sink, line: &[u8]) -> Outcome {
    let wrong = |why: String| Failure::own(format!("a line is no record in JSON: {why}"));
    let read = envelope::Read::line(line).map_err(wrong)?;
    let Some(topic) = options.topic.as_deref().or(read.topic.as_deref()) else {
        return Err(wrong("it names no `topic`".to_owned()).hint("`-t TOPIC` names one for all"));
    };
    let mut record = read.record(topic).map_err(wrong)?;
    if let Some(key) = options.key.as_deref().filter(|_| !read.has_key()) {
        record = record.key(key);
    }
    let partition = match options.partition {
        Target::AsRead => read.partition.filter(|partition| *partition >= 0),
        Target::Chosen => None,
        Target::This(partition) => Some(partition),
    };
    if let Some(partition) = partition {
        sink.check_partition(options, topic, partition)?;
        record = record.partition(partition);
    }
    sink.put(call, options, topic, with_headers(options, record))
}

fn with_headers<'a>(options: &'a Options, mut record: Record<'a>) -> Record<'a> {
    for (name, value) in &options.headers {
        record = match value {
            Some(value) => record.header(name, value),
            None => record.null_header(name),
        };
    }
    record
}
