//! What the log cleaner costs: the same records, most of them overwritten by later ones, compacted by either broker.
//!
//! Only the cleaner's thread counts. A topic is filled while it is not compacted; then its policy is changed, and the
//! cleaner's checkpoint says when it is done.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::machine::said;
use super::process;
use super::report::Row;
use super::rig::{Rig, Target};

const WORDS: &str = "## Cleaner\n\nBytes of a dirty log that the cleaner's thread gets through in a second of its processor time. \
    Records of 220 bytes with a key of 19, a quarter as many keys as records and each of them as likely, in batches of the \
    console producer's size. The first log of each codec warms up and does not count.";

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const RECORDS: u64 = 1_000_000;
const VALUE: usize = 200;
/// The last segment is not cleaned: small ones leave little of the log out.
const SEGMENT: u64 = 32 << 20;
/// Logs of each codec, the first of which does not count.
const LOGS: usize = 3;
/// How the threads' names begin, as far as the system keeps them.
const THREADS: [&str; 2] = ["klamm-clean", "kafka-log-clean"];
const LIMIT: Duration = Duration::from_secs(120);
/// Klamm is to get through so many times as much.
const BAR: f64 = 3.0;

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(rig: &Rig<'_>) -> Result<Vec<String>, String> {
    let properties = format!(
        "log.cleaner.backoff.ms=100\nlog.segment.bytes={}\n",
        rig.scaled(SEGMENT)
    );
    rig.rounds("cleaner", WORDS, |round, samples| {
        for column in rig.brokers(round) {
            println!("{}", column.name());
            let target = rig.broker(column, &properties)?;
            for log in 0..LOGS {
                for codec in CODECS {
                    let rate = clean(rig, &target, codec)?;
                    if log > 0 {
                        let row = Row::more(codec, "MB/CPU s").against_kafka(BAR);
                        samples.add(&row, column, rate);
                    }
                }
            }
            target.stop()?;
        }
        Ok(())
    })
}

/// Fills a topic, has it compacted, and says how many megabytes a second of processor time was enough for.
fn clean(rig: &Rig<'_>, target: &Target<'_>, codec: &str) -> Result<f64, String> {
    target.create(codec, 1)?;
    let mut produce = Command::new(&rig.klamm);
    produce.args(["console-producer", "--bootstrap-server", &target.bootstrap()]);
    produce.args(["--topic", codec, "--compression-codec", codec]);
    produce.args(["--reader-property", "parse.key=true"]);
    process::run(&mut produce, |input| write_lines(input, rig.scaled(RECORDS)), |_| ())?;
    let bytes = closed_bytes(&target.dir.join("data").join(format!("{codec}-0")))?;
    target.settle()?;

    let before = cleaner_time(target.pid)?;
    let mut compact = Command::new(&rig.klamm);
    compact.args(["configs", "--bootstrap-server", &target.bootstrap(), "--alter"]);
    compact.args(["--entity-type", "topics", "--entity-name", codec]);
    compact.args(["--add-config", "cleanup.policy=compact,min.cleanable.dirty.ratio=0.01"]);
    said(&mut compact)?;
    wait_until_clean(&target.dir.join("data/cleaner-offset-checkpoint"), codec)?;
    let took = cleaner_time(target.pid)?.saturating_sub(before);
    target.delete(codec)?;
    let rate = bytes as f64 / 1e6 / took.as_secs_f64();
    println!(
        "{} {codec}: {} MB in {:.2} CPU s",
        target.column.name(),
        bytes / 1_000_000,
        took.as_secs_f64()
    );
    Ok(rate)
}

/// Lines of key and value, the same each time.
fn write_lines(input: &mut dyn Write, records: u64) -> std::io::Result<()> {
    const WORDS: [&str; 8] = [
        "order", "price", "amount", "customer", "street", "city", "true", "false",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut lines = Vec::new();
    for record in 0..records {
        write!(lines, "customer-{:010}\t", draw() % (records / 4))?;
        let end = lines.len() + VALUE;
        while lines.len() < end {
            let bits = draw();
            write!(lines, "{}:{:x},", WORDS[bits as usize % WORDS.len()], bits >> 40)?;
        }
        lines.truncate(end);
        lines.push(b'\n');
        if record % 1_000 == 999 || record + 1 == records {
            input.write_all(&lines)?;
            lines.clear();
        }
    }
    Ok(())
}

/// Bytes in all segments but the last.
fn closed_bytes(partition: &Path) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", partition.display());
    let entries = std::fs::read_dir(partition).map_err(failed)?.flatten();
    let mut logs: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs.pop();
    let size = |path: &PathBuf| std::fs::metadata(path).map(|file| file.len());
    logs.iter().map(size).sum::<std::io::Result<u64>>().map_err(failed)
}

fn wait_until_clean(checkpoint: &Path, topic: &str) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    let entry = format!("{topic} 0 ");
    let is_clean = || {
        let text = std::fs::read_to_string(checkpoint).unwrap_or_default();
        text.lines()
            .any(|line| line.starts_with(&entry) && !line.ends_with(" 0"))
    };
    while !is_clean() {
        if Instant::now() > deadline {
            return Err(format!("{topic} is not cleaned after {} s", LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Processor time of a process's cleaner so far.
fn cleaner_time(pid: u32) -> Result<Duration, String> {
    let tasks = format!("/proc/{pid}/task");
    let entries = std::fs::read_dir(&tasks).map_err(|error| format!("{tasks}: {error}"))?;
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let threads = entries.flatten().map(|entry| entry.path());
    let mut cleaners = threads.filter(|thread| {
        let name = read(thread.join("comm"));
        THREADS.iter().any(|cleaner| name.starts_with(cleaner))
    });
    let cleaner = cleaners.next().ok_or("the broker has no cleaner")?;
    let ticks = process::ticks(&read(cleaner.join("stat"))).ok_or("a thread without times")?;
    Ok(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_keys_and_values() {
        let mut text = Vec::new();
        write_lines(&mut text, 1_500).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text.lines().count(), 1_500);
        assert!(
            text.lines()
                .all(|line| line.len() == 19 + 1 + VALUE && line.contains('\t'))
        );
    }

    #[test]
    fn the_last_segment_does_not_count() {
        let dir = std::env::temp_dir().join(format!("klamm-bench-cleaner-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        for (name, bytes) in [("00.log", 5), ("07.log", 6), ("09.log", 7), ("00.index", 8)] {
            std::fs::write(dir.join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(closed_bytes(&dir), Ok(11));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_process_without_cleaner_has_no_time() {
        assert!(cleaner_time(std::process::id()).is_err());
    }
}
