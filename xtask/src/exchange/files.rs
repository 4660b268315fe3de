//! What brokers' logs, their files, and lists of lines tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::broker::Side;

/// What Apache Kafka says when it opens a log that is not as a clean stop leaves it.
const APACHE_REPAIRS: &[&str] = &["Recovering unflushed segment", "Attempting recovery for all logs"];
/// Who speaks of logs in its warnings and errors.
const APACHE_LOGS: &[&str] = &[
    "[LogLoader",
    "[UnifiedLog",
    "[LocalLog",
    "[ProducerStateManager",
    "[LeaderEpochCache",
    "LogManager",
    "LogSegment",
    "Checkpoint",
    "ndex",
    "napshot",
];
const OUR_REPAIRS: &[&str] = &["ERROR", "WARN", "recovered"];
const OUR_SMALL_TALK: &[&str] = &["has no effect yet", "recovered=0"];

/// Lines by which a broker says that it repaired something.
pub(super) fn repairs(side: Side, log: &str) -> Vec<String> {
    let says = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let is_repair = |line: &&str| match side {
        // Its metadata log counts as unclean at every start, and what is being deleted is not completed.
        Side::Apache if line.contains("__cluster_metadata") || line.contains("-delete/") => false,
        Side::Apache => {
            let is_trouble = line.starts_with("WARN") || line.starts_with("ERROR");
            says(line, APACHE_REPAIRS) || is_trouble && says(line, APACHE_LOGS)
        }
        Side::Klamm => says(line, OUR_REPAIRS) && !says(line, OUR_SMALL_TALK),
    };
    log.lines().filter(is_repair).map(str::to_owned).collect()
}

/// The lines of `these` that are not among `those`.
pub(super) fn missing(these: &[&String], those: &[&String]) -> Vec<String> {
    let those: BTreeSet<&str> = those.iter().map(|line| line.as_str()).collect();
    let missing = these.iter().filter(|line| !those.contains(line.as_str()));
    missing.map(|line| (*line).clone()).collect()
}

/// The files of segments and producers in the partitions of a log directory, with what is in them. Those that brokers write
/// to by themselves, with nobody asking, are left out, and snapshots that may lie below the log start, which Apache Kafka
/// removes when it opens a log.
pub(super) fn content(log_dirs: &[PathBuf]) -> Result<BTreeMap<PathBuf, Vec<u8>>, String> {
    let mut found = BTreeMap::new();
    for dir in log_dirs {
        for partition in entries(dir)? {
            let name = partition.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !partition.is_dir()
                || name.starts_with("__")
                || name.starts_with("compacted")
                || name.ends_with("-delete")
            {
                continue;
            }
            for file in entries(&partition)? {
                let kind = file.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
                let is_kept = match kind {
                    "log" | "index" | "timeindex" | "txnindex" | "metadata" => true,
                    "snapshot" => !name.starts_with("deleted-records"),
                    _ => false,
                };
                if is_kept {
                    let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                    found.insert(file, bytes);
                }
            }
        }
    }
    Ok(found)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// What has changed, a line for each file.
pub(super) fn changes(before: &BTreeMap<PathBuf, Vec<u8>>, after: &BTreeMap<PathBuf, Vec<u8>>) -> Vec<String> {
    let lost = before.keys().filter(|file| !after.contains_key(*file));
    let lost = lost.map(|file| format!("{} is gone", file.display()));
    let changed = after.iter().filter_map(|(file, bytes)| match before.get(file) {
        None => Some(format!("{} is new", file.display())),
        Some(old) if old != bytes => {
            let at = old.iter().zip(bytes).take_while(|(old, new)| old == new).count();
            let (old, new) = (old.len(), bytes.len());
            Some(format!(
                "{} has changed at byte {at}, {old} bytes before, {new} now",
                file.display()
            ))
        }
        Some(_) => None,
    });
    lost.chain(changed).collect()
}
