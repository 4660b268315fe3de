//! `klamm log verify`: checks every file of a stopped node's log directories and says what a start would do. Reads only.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use klamm_log::Shutdown;
use klamm_log::verify::{Finding, Looked, Severity, StartPlan, VerifyReport, verify};
use serde_json::{Value, json};

use crate::call::{Call, Outcome};
use crate::output::{Failure, Messages};
use crate::spec::{Command, Example, Group, Hint, Operands, Run, Tool};
use crate::time::now_ms;

/// How often progress is told to who watches.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// The exit code when something is wrong.
const WRONG: u8 = 1;
/// The exit code when a directory could not be checked.
const UNCHECKED: u8 = 2;

pub(crate) const TOOL: Tool = Tool {
    name: "log",
    group: Group::Node,
    about: "Check the log directories of a stopped node",
    long: "Reads every byte of every segment: checksums, records, offsets; compares indexes, producer snapshots, epochs and \
           checkpoints with them; and tells what a start would cut, remove or make anew. Writes nothing, and refuses while a \
           node runs on the directory. Each finding is `damage` (records are missing or can't be read, or a start fails), \
           `repair` (a start mends it) or `note`. Exit code 0: nothing but notes; 1: damage or repairs; 2: not checked.",
    commands: &[Command {
        name: "verify",
        about: "Check every file",
        flags: &[],
        exclusive: &[],
    }],
    operands: Some(Operands {
        name: "DIR",
        about: "A log directory, as `log.dirs` names it",
        required: true,
        many: true,
        hint: Hint::Directory,
    }),
    examples: &[
        Example {
            does: "After a crash, before the node starts again",
            line: "log verify /var/lib/klamm",
        },
        Example {
            does: "For a script: one object for each directory",
            line: "log verify --json /disk1/kafka /disk2/kafka",
        },
    ],
    run: Run::Blocking(run),
    ..Tool::own()
};

fn run(call: &mut Call) -> Outcome {
    let dirs: Vec<PathBuf> = call.args.rest().iter().map(PathBuf::from).collect();
    let mut worst = Severity::Note;
    for dir in &dirs {
        let mut progress = Progress {
            told: Instant::now(),
            wanted: call.progress(),
            err: &mut call.err,
        };
        let report = verify(dir, now_ms(), &mut |looked| progress.tell(looked))
            .map_err(|error| Failure::own(error.to_string()).code(UNCHECKED))?;
        match call.out.is_json() {
            true => call.out.json(&object(&report))?,
            false => text(call, &report)?,
        }
        worst = worst.max(report.worst());
    }
    call.out.flush()?;
    match worst {
        Severity::Note => Ok(()),
        Severity::Repair | Severity::Damage => Err(Failure::told(WRONG)),
    }
}

struct Progress<'a> {
    told: Instant,
    wanted: bool,
    err: &'a mut Messages,
}

impl Progress<'_> {
    fn tell(&mut self, looked: &Looked) {
        if self.wanted && self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            let percent = looked.bytes * 100 / looked.bytes_total.max(1);
            let (mb, all) = (looked.bytes >> 20, looked.bytes_total >> 20);
            self.err.line(format_args!("{percent} % ({mb} of {all} MB)"));
        }
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Repair => "repair",
        Severity::Damage => "damage",
    }
}

fn text(call: &mut Call, report: &VerifyReport) -> Outcome {
    let out = &mut call.out;
    let looked = &report.looked;
    let whose = match &report.meta {
        Some(meta) => format!("node {} of cluster {}", meta.node_id, meta.cluster_id),
        None => "nobody knows whose".to_owned(),
    };
    let left = match report.shutdown {
        Shutdown::Clean(_) => "stopped cleanly",
        Shutdown::Unclean => "did not stop cleanly",
    };
    out.line(format_args!("{}: {whose}, {left}", report.dir.display()))?;
    out.line(format_args!(
        "{} partitions, {} segments, {} bytes, {} batches, {} records",
        looked.partitions, looked.segments, looked.bytes, looked.batches, looked.records
    ))?;
    for finding in &report.findings {
        out.line(format_args!("{:7} {}", word(finding.severity), sentence(finding)))?;
    }
    match &report.start {
        None => out.line("a start fails"),
        Some(start) => out.line(plan(start)),
    }
}

fn sentence(finding: &Finding) -> String {
    let at = finding.position.map_or(String::new(), |at| format!(" at byte {at}"));
    format!("{}{at}: {}", finding.path.display(), finding.problem)
}

fn plan(start: &StartPlan) -> String {
    let mut plan = format!(
        "a start opens {} logs, checks {} bytes",
        start.logs, start.bytes_checked
    );
    if start.bytes_cut > 0 {
        plan.push_str(&format!(", cuts {} bytes off", start.bytes_cut));
    }
    if start.records_lost > 0 {
        plan.push_str(&format!(", goes on without {} records", start.records_lost));
    }
    let (written, removed) = (start.files_written.len(), start.files_removed.len());
    if written + removed > 0 {
        plan.push_str(&format!(", writes {written} files, removes {removed}"));
    }
    plan
}

fn object(report: &VerifyReport) -> Value {
    let looked = &report.looked;
    let findings = report.findings.iter().map(|finding| {
        json!({
            "severity": word(finding.severity),
            "path": finding.path,
            "position": finding.position,
            "problem": finding.problem,
        })
    });
    let start = report.start.as_ref().map(|start| {
        json!({
            "logs": start.logs,
            "bytesChecked": start.bytes_checked,
            "bytesCut": start.bytes_cut,
            "recordsLost": start.records_lost,
            "filesWritten": paths(&start.files_written),
            "filesRemoved": paths(&start.files_removed),
        })
    });
    json!({
        "dir": report.dir,
        "clusterId": report.meta.as_ref().map(|meta| &meta.cluster_id),
        "nodeId": report.meta.as_ref().map(|meta| meta.node_id),
        "cleanShutdown": matches!(report.shutdown, Shutdown::Clean(_)),
        "worst": word(report.worst()),
        "partitions": looked.partitions,
        "segments": looked.segments,
        "bytes": looked.bytes,
        "batches": looked.batches,
        "records": looked.records,
        "findings": findings.collect::<Vec<_>>(),
        "start": start,
    })
}

fn paths(paths: &[PathBuf]) -> Vec<&Path> {
    paths.iter().map(PathBuf::as_path).collect()
}
