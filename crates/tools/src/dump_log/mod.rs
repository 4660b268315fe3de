//! `klamm dump-log`: shows the files of a partition, as Kafka's `kafka-dump-log`.
//!
//! Files are streamed: what is held in memory is a batch, and only when its records are wanted. Damaged files are what this
//! tool is for, so nothing in them is trusted. With `--json` every line is an object with the names of the text.

mod batches;
mod decoder;
mod failures;
mod files;
mod index;
mod line;
mod log;

use std::path::Path;

use serde_json::json;

use crate::call::{Call, Outcome};
use crate::output::{Messages, Out};
use crate::spec::{Example, Flag, Group, Run, Tool, check};
use decoder::Decoder;
use line::Line;

const FLAGS: &[Flag] = &[
    Flag::file("files", "FILE,…", "The files to show, with commas between them").required_by_tool(),
    Flag::switch(
        "print-data-log",
        "Show keys and values of records too; decoders imply it",
    ),
    Flag::switch(
        "deep-iteration",
        "Show each record below its batch; `--print-data-log` implies it",
    ),
    Flag::switch(
        "skip-record-metadata",
        "Show of records only what is in them, and nothing of control records",
    ),
    Flag::switch(
        "verify-index-only",
        "Compare indexes with their segment without showing them",
    ),
    Flag::switch(
        "index-sanity-check",
        "Only look whether a broker would take the index as it is when it starts",
    ),
    Flag::int("max-message-size", "BYTES", "The largest batch an index may point to").default("5242880"),
    Flag::int("max-bytes", "BYTES", "How much of each segment is read").default("2147483647"),
    Flag::text(
        "key-decoder-class",
        "DECODER",
        "How keys are shown: `string`, `integer`, `long` or `default` (hexadecimal)",
    )
    .value_optional()
    .default("org.apache.kafka.tools.api.StringDecoder"),
    Flag::text("value-decoder-class", "DECODER", "How values are shown, likewise")
        .value_optional()
        .default("org.apache.kafka.tools.api.StringDecoder"),
    Flag::switch("offsets-decoder", "Records are those of `__consumer_offsets`"),
    Flag::switch("transaction-log-decoder", "Records are those of `__transaction_state`"),
    Flag::switch("cluster-metadata-decoder", "Records are those of `__cluster_metadata`"),
    Flag::switch(
        "share-group-state-decoder",
        "Records are those of `__share_group_state`",
    ),
    Flag::switch(
        "remote-log-metadata-decoder",
        "Records are those of `__remote_log_metadata`",
    ),
];

pub(crate) const TOOL: Tool = Tool {
    name: "dump-log",
    script: Some("kafka-dump-log"),
    group: Group::Node,
    about: "Show the files of a partition: segments, indexes, snapshots",
    long: "Reads a node's files, also while it runs: `.log` and `.checkpoint` files as batches and records, `.index` and \
           `.timeindex` files compared with the segment beside them, `.snapshot` files as the producers' state, `.txnindex` \
           files as aborted transactions. Differences between an index and its segment are told on stderr.",
    flags: FLAGS,
    examples: &[
        Example {
            does: "The records of a segment",
            line: "dump-log --print-data-log --files data/orders-0/00000000000000000000.log",
        },
        Example {
            does: "What the controller wrote",
            line: "dump-log --cluster-metadata-decoder --files data/__cluster_metadata-0/00000000000000000000.log",
        },
        Example {
            does: "Whether an index is right",
            line: "dump-log --verify-index-only --files data/orders-0/00000000000000000000.index",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::joptsimple()
};

fn run(call: &mut Call) -> Outcome {
    check::required(&call.args, &["files"])?;
    let files = call.args.get("files").unwrap_or_default().to_owned();
    let mut dump = Dump::default();
    // Java drops what is empty at the end.
    let mut files = files.trim_end_matches(',').split(',');
    let outcome = files.try_for_each(|file| one(file, call, &mut dump));
    call.out.flush()?;
    dump.report(&mut call.out, &mut call.err)?;
    outcome
}

fn one(file: &str, call: &mut Call, dump: &mut Dump) -> Outcome {
    let path = Path::new(file);
    match call.out.is_json() {
        true => Line::new("file").text("file", file).print("", &mut call.out)?,
        false => call.out.line(format_args!("Dumping {file}"))?,
    }
    let args = &call.args;
    let index_depth = index::Depth {
        sanity_only: args.has("index-sanity-check"),
        verify_only: args.has("verify-index-only"),
        max_message_size: args.int("max-message-size").unwrap_or(i32::MAX),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match name.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "log" | "checkpoint" => {
            let flags = ["print-data-log", "key-decoder-class", "value-decoder-class"];
            let prints = flags.iter().chain(&decoder::FLAGS).any(|flag| args.has(flag));
            let depth = log::Depth {
                records: prints || args.has("deep-iteration"),
                contents: prints.then(|| Decoder::chosen(args)).transpose()?,
                skip_metadata: args.has("skip-record-metadata"),
                max_bytes: args.int("max-bytes").unwrap_or(i32::MAX),
            };
            log::dump(path, &depth, dump, &mut call.out)
        }
        "index" => index::offsets(path, index_depth, dump, &mut call.out),
        "timeindex" => index::times(path, index_depth, dump, &mut call.out),
        "snapshot" => files::producers(path, &mut call.out, &mut call.err),
        "txnindex" => files::aborted(path, &mut call.out),
        _ => {
            call.out.flush()?;
            call.err.line(format_args!("Ignoring unknown file {file}"));
            Ok(())
        }
    }
}

/// Most differences that are remembered of one kind; further ones are counted.
const MAX_FINDINGS: usize = 10_000;

/// What was found to be wrong with files whose content was shown nevertheless; told at the end.
#[derive(Default)]
struct Dump {
    index_mismatches: Findings,
    time_mismatches: Findings,
    out_of_order: Findings,
    not_found: Findings,
    non_consecutive: Findings,
}

/// Two numbers each, by file.
#[derive(Default)]
struct Findings(Vec<FileFindings>);

/// A file, what was found in it and how much more there was.
type FileFindings = (String, Vec<(i64, i64)>, usize);

impl Findings {
    fn add(&mut self, path: &Path, first: i64, second: i64) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let file = path.display().to_string();
        if self.0.last().is_none_or(|(last, ..)| *last != file) {
            self.0.push((file, Vec::new(), 0));
        }
        if let Some((_, pairs, more)) = self.0.last_mut() {
            match pairs.len() < MAX_FINDINGS {
                true => pairs.push((first, second)),
                false => *more += 1,
            }
        }
    }
}

impl Dump {
    fn index_mismatch(&mut self, path: &Path, indexed: i64, found: i64) {
        self.index_mismatches.add(path, indexed, found);
    }

    fn time_mismatch(&mut self, path: &Path, indexed: i64, found: i64) {
        self.time_mismatches.add(path, indexed, found);
    }

    fn out_of_order(&mut self, path: &Path, timestamp: i64, previous: i64) {
        self.out_of_order.add(path, timestamp, previous);
    }

    fn offset_not_found(&mut self, path: &Path, indexed: i64, found: i64) {
        self.not_found.add(path, indexed, found);
    }

    fn non_consecutive(&mut self, path: &Path, offset: i64, next: i64) {
        self.non_consecutive.add(path, offset, next);
    }

    fn report(&self, out: &mut Out, err: &mut Messages) -> Outcome {
        type Words = fn(i64, i64) -> String;
        let kinds: [(&Findings, &str, &str, Words); 5] = [
            (
                &self.index_mismatches,
                "index-mismatch",
                "Mismatches in :",
                |index, log| format!("  Index offset: {index}, log offset: {log}"),
            ),
            (
                &self.time_mismatches,
                "timestamp-mismatch",
                "Found timestamp mismatch in :",
                |index, log| format!("  Index timestamp: {index}, log timestamp: {log}"),
            ),
            (
                &self.out_of_order,
                "timestamp-out-of-order",
                "Found out of order timestamp in :",
                |index, previous| format!("  Index timestamp: {index}, Previously indexed timestamp: {previous}"),
            ),
            (
                &self.not_found,
                "offset-not-found",
                "The following indexed offsets are not found in :",
                |index, log| format!("Indexed offset: {index}, found log offset: {log}"),
            ),
            (
                &self.non_consecutive,
                "non-consecutive",
                "Non-consecutive offsets in ",
                |first, second| format!("  {first} is followed by {second}"),
            ),
        ];
        for (findings, kind, heading, words) in kinds {
            for (file, pairs, more) in &findings.0 {
                if out.is_json() {
                    out.json(&json!({"type": kind, "file": file, "pairs": pairs, "more": more}))?;
                    continue;
                }
                err.line(format_args!("{heading}{file}"));
                for (first, second) in pairs {
                    err.line(words(*first, *second));
                }
                if *more > 0 {
                    err.line(format_args!("  … and {more} more"));
                }
            }
        }
        Ok(())
    }
}
