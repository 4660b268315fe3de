//! Running one suite beside its node.
//!
//! A suite prints a row per feature (`ok NAME` or `FAIL NAME: reason`) and may ask for a restart of the node by the line
//! `restart`, which is answered with `done` on its standard input when the node serves again.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::node::Node;

/// The most that one suite may take.
const LIMIT: Duration = Duration::from_secs(300);
/// Of what a suite says on standard error, this much is kept: its end.
const KEPT_LINES: usize = 200;

/// What a suite printed of one feature.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) feature: String,
    /// Why it failed, if it did.
    pub(super) failure: Option<String>,
}

impl Row {
    pub(super) fn passed(&self) -> bool {
        self.failure.is_none()
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        if let Some(feature) = line.strip_prefix("ok ") {
            return Some(Row {
                feature: feature.to_owned(),
                failure: None,
            });
        }
        let (feature, reason) = line.strip_prefix("FAIL ")?.split_once(": ")?;
        Some(Row {
            feature: feature.to_owned(),
            failure: Some(reason.to_owned()),
        })
    }
}

/// A suite that ran to its end, or for too long.
pub(super) struct Outcome {
    pub(super) rows: Vec<Row>,
    /// What it and the node said besides, for whoever looks for the reason of a failure.
    pub(super) said: String,
    /// What went wrong besides features that failed.
    pub(super) wrong: Vec<String>,
}

/// Runs a suite's command against a new node.
pub(super) fn run(klamm: &Path, data: &Path, command: &[String]) -> Result<Outcome, String> {
    remove(data, std::fs::remove_dir_all(data))?;
    let log = Node::log(data);
    remove(&log, std::fs::remove_file(&log))?;
    if let Some(place) = data.parent() {
        std::fs::create_dir_all(place).map_err(|error| format!("{}: {error}", place.display()))?;
    }
    let mut node = Node::start(klamm, data)?;
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .arg(node.bootstrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", command[0]))?;
    let errors = child.stderr.take().expect("stderr is piped");
    let errors = std::thread::spawn(move || tail(errors));
    let (rows, mut wrong) = follow(&mut child, &mut node)?;
    let status = child.wait().map_err(|error| error.to_string())?;
    let errors = errors.join().unwrap_or_default();
    if wrong.is_empty() && rows.iter().all(Row::passed) && !status.success() {
        wrong.push(format!("the suite ended with {status}"));
    }
    if let Err(error) = node.stop() {
        wrong.push(error);
    }
    let rows_said: String = rows.iter().map(said).collect();
    Ok(Outcome {
        rows,
        said: format!(
            "{rows_said}{errors}-- the end of the node's log:\n{}",
            node.end_of_log()
        ),
        wrong,
    })
}

/// What is not there is as good as removed.
fn remove(path: &Path, result: std::io::Result<()>) -> Result<(), String> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", path.display())),
        _ => Ok(()),
    }
}

fn said(row: &Row) -> String {
    match &row.failure {
        None => format!("ok {}\n", row.feature),
        Some(reason) => format!("FAIL {}: {reason}\n", row.feature),
    }
}

/// Reads rows and answers to restarts until the suite's output ends.
fn follow(child: &mut Child, node: &mut Node) -> Result<(Vec<Row>, Vec<String>), String> {
    let mut answers = child.stdin.take().expect("stdin is piped");
    let lines = lines_of(child.stdout.take().expect("stdout is piped"));
    let deadline = Instant::now() + LIMIT;
    let mut rows = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line == "restart" => {
                node.restart()?;
                writeln!(answers, "done").map_err(|error| format!("the suite is gone: {error}"))?;
            }
            Ok(line) => rows.extend(Row::parse(&line)),
            Err(RecvTimeoutError::Disconnected) => return Ok((rows, Vec::new())),
            Err(RecvTimeoutError::Timeout) => {
                child.kill().map_err(|error| error.to_string())?;
                return Ok((rows, vec![format!("not finished after {} s", LIMIT.as_secs())]));
            }
        }
    }
}

fn lines_of(stdout: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(stdout)
            .lines()
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    lines
}

/// The last lines of what is written there.
fn tail(stream: impl Read) -> String {
    let mut kept = std::collections::VecDeque::new();
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(String::from_utf8_lossy(&line).into_owned() + "\n");
    }
    kept.into_iter().collect()
}
