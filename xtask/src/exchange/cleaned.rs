//! The same dirty log compacted by either broker: batch by batch the same has to stay, in the first round and in later ones,
//! when tombstones and the markers of transactions that are gone may go (`delete.retention.ms`, KIP-534).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::client::Client;
use super::files;
use crate::broker::{Home, Side};

const SETTINGS: &str = "log.cleaner.backoff.ms=100\n";
/// In the second tombstones go, in the third markers are found to mark nothing, in the fourth they go.
const ROUNDS: usize = 4;
const LIMIT: Duration = Duration::from_secs(60);
/// What of a line is another in each run, or in each place that a batch is at.
const PASSING: [&str; 5] = ["position:", "CreateTime:", "LogAppendTime:", "crc:", "size:"];
/// Lines of a difference that are shown.
const SHOWN: usize = 12;

/// Returns what either broker kept that the other did not.
pub(super) fn compare(root: &Path, dir: &Path, klamm: &Path, classes: &Path) -> Result<Vec<String>, String> {
    let home = Home::create(root, dir, klamm, 1, SETTINGS)?;
    home.format(Side::Apache)?;
    let mut client = Client::start(root, classes, dir)?;
    let broker = home.start(Side::Apache, "fill.log")?;
    client.ask(&format!("fill-dirty 127.0.0.1:{}", home.port))?;
    broker.stop()?;
    let (data, dirty) = (&home.log_dirs[0], dir.join("dirty"));
    copy(data, &dirty)?;
    let of_apache = clean(&home, &mut client, klamm, Side::Apache)?;
    std::fs::remove_dir_all(data).map_err(|error| format!("{}: {error}", data.display()))?;
    copy(&dirty, data)?;
    let of_klamm = clean(&home, &mut client, klamm, Side::Klamm)?;
    let mut wrong = Vec::new();
    for (round, (theirs, ours)) in of_apache.iter().zip(&of_klamm).enumerate() {
        let (theirs, ours): (Vec<&String>, Vec<&String>) = (theirs.iter().collect(), ours.iter().collect());
        for (what, lines) in [
            ("Apache Kafka keeps what Klamm does not", files::missing(&theirs, &ours)),
            ("Klamm keeps what Apache Kafka does not", files::missing(&ours, &theirs)),
        ] {
            if !lines.is_empty() {
                wrong.push(format!("in round {round} {what} ({} lines):", lines.len()));
                wrong.extend(lines.into_iter().take(SHOWN));
            }
        }
    }
    if of_apache.windows(2).any(|rounds| rounds[0].len() <= rounds[1].len()) {
        wrong.push("a round of Apache Kafka's took nothing away".to_owned());
    }
    Ok(wrong)
}

/// Has a broker compact the topic some times; what is there after each.
fn clean(home: &Home, client: &mut Client, klamm: &Path, side: Side) -> Result<Vec<Vec<String>>, String> {
    let broker = home.start(side, &format!("{side}.log"))?;
    let bootstrap = format!("127.0.0.1:{}", home.port);
    let mut rounds = Vec::new();
    client.ask(&format!("compact {bootstrap}"))?;
    for round in 0..ROUNDS {
        if round > 0 {
            client.ask(&format!("more-dirty {bootstrap}"))?;
        }
        let segments = wait_until_clean(&home.log_dirs[0], side)?;
        let lines = batches(klamm, &segments)?;
        let file = home.dir.join(format!("{side}-{round}.txt"));
        std::fs::write(&file, lines.join("\n")).map_err(|error| format!("{}: {error}", file.display()))?;
        rounds.push(lines);
    }
    broker.stop()?;
    Ok(rounds)
}

/// Waits until the cleaner has come to the active segment. The segments' `.log` and `.txnindex` files.
fn wait_until_clean(log_dir: &Path, side: Side) -> Result<Vec<PathBuf>, String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let segments = segments(&log_dir.join("dirty-0"))?;
        let last = segments.iter().rfind(|path| has_extension(path, "log"));
        let active = last.and_then(|path| path.file_stem()?.to_str()?.parse::<u64>().ok());
        let checkpoint = std::fs::read_to_string(log_dir.join("cleaner-offset-checkpoint")).unwrap_or_default();
        let entry = checkpoint.lines().find_map(|line| line.strip_prefix("dirty 0 "));
        if active.is_some() && entry.and_then(|offset| offset.parse().ok()) == active {
            return Ok(segments);
        }
        if Instant::now() > deadline {
            return Err(format!(
                "{side} has cleaned up to {entry:?}, and the active segment is {active:?}"
            ));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn segments(partition: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(partition).map_err(|error| format!("{}: {error}", partition.display()))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut segments: Vec<PathBuf> = paths
        .filter(|path| has_extension(path, "log") || has_extension(path, "txnindex"))
        .collect();
    segments.sort();
    Ok(segments)
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension == wanted)
}

/// What stands in the files, without what is another each time.
fn batches(klamm: &Path, files: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    for file in files {
        let mut dump = Command::new(klamm);
        dump.args(["dump-log", "--print-data-log", "--files"]).arg(file);
        let said = dump.output().map_err(|error| format!("{dump:?}: {error}"))?;
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        lines.extend(text.lines().filter(|line| is_content(line)).map(lasting));
    }
    Ok(lines)
}

/// A batch, a record or an aborted transaction, and no heading.
fn is_content(line: &str) -> bool {
    ["baseOffset:", "| offset:", "version:"]
        .iter()
        .any(|begin| line.starts_with(begin))
}

/// The line without its passing values; of a delete horizon it stays that there is one.
fn lasting(line: &str) -> String {
    let mut kept: Vec<String> = Vec::new();
    let mut words = line.split_whitespace();
    while let Some(word) = words.next() {
        if PASSING.contains(&word) {
            words.next();
        } else if word.starts_with("OptionalLong[") {
            kept.push("set".to_owned());
        } else {
            kept.push(word.to_owned());
        }
    }
    kept.join(" ")
}

/// Copies a directory with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    crate::succeed(Command::new("cp").arg("-a").arg(from).arg(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_what_lasts() {
        let line =
            "baseOffset: 3 lastOffset: 4 deleteHorizonMs: OptionalLong[17] position: 9 CreateTime: 1 isvalid: true";
        assert_eq!(
            lasting(line),
            "baseOffset: 3 lastOffset: 4 deleteHorizonMs: set isvalid: true"
        );
        assert!(is_content(line) && !is_content("Starting offset: 0"));
    }
}
