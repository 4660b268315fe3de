//! `klamm consume`: records for people and pipes, in kcat's manners.

mod filter;
mod offset;
mod options;
mod range;
mod reader;

use std::io::{self, Write as _};

use klamm_client::ConsumerRecord;

use crate::call::{Call, Outcome};
use crate::envelope::Envelope;
use crate::output::Failure;
use crate::settings::{BOOTSTRAP, CONFIG, PATIENCE, PROPERTY, QUIET};
use crate::signals::{interrupted, signal};
use crate::spec::{Example, Flag, Group, Hint, Operands, Run, Tool};
use options::Options;
pub(crate) use options::{bytes_of, count};
use reader::Reader;
pub(crate) use reader::{missing_partition, unknown_topic};

pub(crate) const TOOL: Tool = Tool {
    name: "consume",
    group: Group::Records,
    about: "Show records: formats, offsets, filters, JSON, live",
    long: "Begins with the first record there is and goes on with what comes, until it is stopped. `-e` ends where the topic \
           ends, `-c` after so many records, `-o FROM:TO` at an offset or a time.\n\nA format is text with tokens: %s value, %k \
           key, %t topic, %p partition, %o offset, %T timestamp in ms, %h headers as `name=value,…`, %S and %K lengths of value \
           and key (-1 for null), %R length of the value as four bytes, %% a percent sign; and the escapes \\n \\r \\t \\0 \\\\ \
           \\xNN. Without one, each value stands on a line of its own, behind its key with `-K`.\n\nOffsets are `start`, `end`, \
           `stored`, a number, `+N` (so many after the start), `-N` (so many before the end), `FROM:TO` of these, `@TIME` and \
           `@FROM:TO`, where a time is milliseconds or seconds since 1970, `2026-01-31`, `2026-01-31T12:30:00Z`, or `-15m`: so \
           long ago. They count in every partition that is read. kcat's `s@MS` and `e@MS` work too.\n\nPatterns of filters are \
           globs for the whole text (`user-*`) or regular expressions between slashes for a part of it (`/^user-[0-9]+$/`).\n\n\
           The letters are kcat's.",
    flags: &[
        BOOTSTRAP,
        Flag::text(
            "topic",
            "TOPIC",
            "A topic to read, beside those named without an option; one that begins with `^` is a \
            regular expression for names",
        )
        .short('t')
        .repeated(),
        Flag::text("partition", "NUMBER", "Only this partition")
            .short('p')
            .split_at(','),
        Flag::text("offset", "OFFSET", "Where to begin and to end")
            .short('o')
            .repeated(),
        Flag::switch("exit", "End where the partitions end when it begins").short('e'),
        Flag::long("count", "COUNT", "End after so many records").short('c'),
        Flag::text("format", "FORMAT", "What to print for a record, nothing else around it").short('f'),
        Flag::switch(
            "json-lines",
            "Print a record as a line of JSON, as `klamm produce -J` reads it and `kcat -J` prints it",
        )
        .short('J'),
        Flag::text("delimiter", "TEXT", "What ends a record")
            .short('D')
            .default("\\n"),
        Flag::text("key-delimiter", "TEXT", "Print keys too, with this behind them").short('K'),
        Flag::switch("print-offset", "Print offsets too, before key and value").short('O'),
        Flag::switch(
            "null",
            "Print NULL for keys and values that are null, instead of nothing",
        )
        .short('Z'),
        Flag::text("key", "PATTERN", "Only records whose key matches").short('k'),
        Flag::text(
            "header",
            "NAME=PATTERN",
            "Only records with such a header; NAME alone: whatever its value",
        )
        .short('H')
        .repeated(),
        Flag::text("value", "PATTERN", "Only records whose value matches"),
        Flag::text(
            "group",
            "GROUP",
            "Be a member of this group: read the share that it assigns, from where the group is, and \
            commit",
        )
        .short('G'),
        Flag::switch(
            "unbuffered",
            "Write out every record at once, not only before waiting for more",
        )
        .short('u'),
        QUIET,
        PATIENCE,
        PROPERTY,
        CONFIG,
    ],
    operands: Some(Operands {
        name: "TOPIC",
        about: "Topics to read",
        required: false,
        many: true,
        hint: Hint::Nothing,
    }),
    examples: &[
        Example {
            does: "All of a topic, then what comes",
            line: "consume -b localhost:9092 orders",
        },
        Example {
            does: "The last ten of each partition, with keys",
            line: "consume orders -o -10 -e -K :",
        },
        Example {
            does: "What came in the last quarter of an hour",
            line: "consume orders -o @-15m -e -f '%T %k %s\\n'",
        },
        Example {
            does: "The first record of a customer from Sweden",
            line: "consume orders -c 1 -k 'customer-*' -H country=SE -J",
        },
        Example {
            does: "Copy a topic with keys, headers and timestamps",
            line: "consume orders -e -J | klamm produce copy -J",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::own()
};

fn run(call: &mut Call) -> Outcome {
    let options = Options::read(call)?;
    // Records are fetched on a thread of their own while this one prints.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::own(format!("can't start: {error}")))?;
    let ended = runtime.block_on(consume(call, &options));
    runtime.shutdown_background();
    ended
}

async fn consume(call: &mut Call, options: &Options) -> Outcome {
    // A signal while it connects ends it too.
    let mut reader = tokio::select! {
        reader = Reader::new(options) => reader?,
        code = signal() => return Err(interrupted(code)),
    };
    let outcome = tokio::select! {
        outcome = show(call, options, &mut reader) => outcome,
        code = signal() => Err(interrupted(code)),
    };
    // The group hears of what was shown only.
    let flushed = call.out.flush();
    reader.close(&mut call.err).await;
    flushed.and(outcome)
}

async fn show(call: &mut Call, options: &Options, reader: &mut Reader) -> Outcome {
    let mut left = options.count.unwrap_or(u64::MAX);
    while left > 0 {
        let Some(records) = reader.next(call).await? else {
            return Ok(());
        };
        for records in records.by_partition() {
            let wanted = reader.before_end(records);
            let mut shown = Ok(());
            let mut used = 0;
            for record in &records[..wanted] {
                if left == 0 {
                    break;
                }
                if options.filter.lets_through(record) {
                    shown = write(call, options, record);
                    if shown.is_err() {
                        break;
                    }
                    left -= 1;
                }
                used += 1;
            }
            if used < wanted {
                reader.unread(&records[used..]);
            }
            shown?;
        }
    }
    Ok(())
}

fn write(call: &mut Call, options: &Options, record: &ConsumerRecord) -> Outcome {
    match &options.format {
        Some(format) => format.write(record, options.null, &mut call.out)?,
        None => {
            serde_json::to_writer(&mut call.out, &Envelope::of(record)).map_err(io::Error::from)?;
            call.out.write_all(b"\n")?;
        }
    }
    match options.unbuffered {
        true => call.out.flush(),
        false => Ok(()),
    }
}
