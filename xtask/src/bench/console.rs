//! Lines piped through the console producer and the console consumer, ours and Apache Kafka's, against one node of ours.
//!
//! In turns, twice each; the second round counts, where the node is warm. Both consumers read the same topic.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::process::{self, Took};
use super::results;
use crate::apache_kafka;
use crate::broker::{Home, Side};

pub(super) const GIGABYTE: u64 = 1_000_000_000;
/// Of each line with its end.
const LINE: usize = 100;
const LINES_AT_ONCE: usize = 10_000;
const ROUNDS: usize = 2;

/// Ours is to be so many times as fast.
const RATIO: f64 = 5.0;
/// Ours is to need no more memory.
const MEMORY: u64 = 50_000_000;

/// How Kafka's scripts start their JVM.
const JVM: &[&str] = &[
    "-Xmx512M",
    "-server",
    "-XX:+UseG1GC",
    "-XX:MaxGCPauseMillis=20",
    "-XX:InitiatingHeapOccupancyPercent=35",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-Djava.awt.headless=true",
];

/// One of the two tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    Producer,
    Consumer,
}

/// One run of a tool.
#[derive(Clone, Copy, Debug)]
struct Run {
    tool: Tool,
    side: Side,
    round: usize,
    took: Took,
}

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(root: &Path, bytes: u64) -> Result<Vec<String>, String> {
    let klamm = super::release(root, "klamm", "KLAMM_BINARY")?;
    let jars = apache_kafka::tools_jars(root)?;
    let dir = crate::target_dir(root).join("bench/console");
    let home = Home::create(root, &dir, &klamm, 1, "log.segment.delete.delay.ms=0\n")?;
    home.format(Side::Klamm)?;
    let node = home.start(Side::Klamm, "node.log")?;
    let bench = Bench {
        klamm: &klamm,
        jars: &jars,
        bootstrap: format!("127.0.0.1:{}", home.port),
        lines: bytes / LINE as u64,
    };
    let mut runs = Vec::new();
    for round in 1..=ROUNDS {
        bench.round(round, &mut runs)?;
    }
    node.stop()?;
    let (table, missed) = report(&runs, bench.lines);
    println!("{table}");
    if bytes == GIGABYTE {
        results::write(root, "console", &table)?;
    }
    std::fs::remove_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(missed)
}

struct Bench<'a> {
    klamm: &'a Path,
    jars: &'a Path,
    bootstrap: String,
    lines: u64,
}

impl Bench<'_> {
    fn round(&self, round: usize, runs: &mut Vec<Run>) -> Result<(), String> {
        let topic = |side: Side| format!("{side}-{round}");
        for side in [Side::Klamm, Side::Apache] {
            self.topics(&["--create", "--partitions", "1", "--topic", &topic(side)])?;
            let mut produce = self.command(side, Tool::Producer);
            let took = process::run(
                produce.args(["--topic", &topic(side)]),
                |input| write_lines(input, self.lines),
                |_| (),
            )?;
            runs.push(told(Run {
                tool: Tool::Producer,
                side,
                round,
                took,
            }));
        }
        for side in [Side::Klamm, Side::Apache] {
            let mut consume = self.command(side, Tool::Consumer);
            let count = self.lines.to_string();
            let mut read = 0;
            let took = process::run(
                consume.args([
                    "--topic",
                    &topic(Side::Klamm),
                    "--from-beginning",
                    "--max-messages",
                    &count,
                ]),
                |_| Ok(()),
                |bytes| read += bytes.len() as u64,
            )?;
            if read != self.lines * LINE as u64 {
                return Err(format!(
                    "the {side} consumer printed {read} bytes of {} lines",
                    self.lines
                ));
            }
            runs.push(told(Run {
                tool: Tool::Consumer,
                side,
                round,
                took,
            }));
        }
        for side in [Side::Klamm, Side::Apache] {
            self.topics(&["--delete", "--topic", &topic(side)])?;
        }
        Ok(())
    }

    fn topics(&self, args: &[&str]) -> Result<(), String> {
        let mut topics = Command::new(self.klamm);
        topics.args(["topics", "--bootstrap-server", &self.bootstrap]);
        crate::succeed(topics.args(args).stdout(std::process::Stdio::null()))
    }

    fn command(&self, side: Side, tool: Tool) -> Command {
        let (ours, class) = match tool {
            Tool::Producer => ("console-producer", "ConsoleProducer"),
            Tool::Consumer => ("console-consumer", "consumer.ConsoleConsumer"),
        };
        let mut command = match side {
            Side::Klamm => {
                let mut command = Command::new(self.klamm);
                command.arg(ours);
                command
            }
            Side::Apache => {
                let mut java = Command::new("java");
                java.args(JVM).arg("-cp").arg(format!("{}/*", self.jars.display()));
                java.arg(format!("org.apache.kafka.tools.{class}"));
                java
            }
        };
        command.args(["--bootstrap-server", &self.bootstrap]);
        command
    }
}

/// Lines of random letters, made once and written again and again.
fn write_lines(input: &mut dyn Write, lines: u64) -> std::io::Result<()> {
    let mut state = 1_u64;
    let mut block = Vec::with_capacity(LINES_AT_ONCE * LINE);
    for at in 1..=LINES_AT_ONCE * LINE {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        block.push(match at % LINE {
            0 => b'\n',
            _ => b'a' + ((state >> 33) % 26) as u8,
        });
    }
    let mut left = lines as usize;
    while left > 0 {
        let now = left.min(LINES_AT_ONCE);
        input.write_all(&block[..now * LINE])?;
        left -= now;
    }
    Ok(())
}

fn told(run: Run) -> Run {
    println!("{:?} {} {}: {:?}", run.tool, run.side, run.round, run.took);
    run
}

/// The section of the results, and what misses its bar.
fn report(runs: &[Run], lines: u64) -> (String, Vec<String>) {
    let megabytes = (lines * LINE as u64) as f64 / 1e6;
    let mut table = format!(
        "## Console tools\n\n{megabytes:.0} MB of lines of {LINE} bytes piped through the console producer into a topic of one \
         partition, and out of the console consumer, by `cargo xtask bench console`: tools of Apache Kafka 4.3.1 and Klamm's in \
         turns against the same node of Klamm's, on one machine with {} cores that are shared with the node. The second of two \
         rounds. MB are 1,000,000 bytes.\n\n\
         | tool | whose | s | MB/s | CPU s | memory, MB |\n|---|---|---|---|---|---|\n",
        std::thread::available_parallelism().map_or(1, |cores| cores.get())
    );
    let mut missed = Vec::new();
    for (tool, name) in [
        (Tool::Producer, "console producer"),
        (Tool::Consumer, "console consumer"),
    ] {
        let last = |side| {
            let fits = |run: &&Run| run.tool == tool && run.side == side && run.round == ROUNDS;
            runs.iter().find(fits).map(|run| run.took).unwrap_or_default()
        };
        let (ours, theirs) = (last(Side::Klamm), last(Side::Apache));
        for (whose, took) in [("Klamm", ours), ("Apache Kafka", theirs)] {
            let seconds = took.wall.as_secs_f64();
            table += &format!(
                "| {name} | {whose} | {seconds:.1} | {:.0} | {:.1} | {:.0} |\n",
                megabytes / seconds,
                took.cpu.as_secs_f64(),
                took.memory as f64 / 1e6
            );
        }
        let ratio = theirs.wall.as_secs_f64() / ours.wall.as_secs_f64();
        let memory = runs.iter().filter(|run| run.tool == tool && run.side == Side::Klamm);
        let memory = memory.map(|run| run.took.memory).max().unwrap_or_default();
        table += &format!("| {name} | ratio | {ratio:.1} | | | |\n");
        if ratio < RATIO {
            missed.push(format!(
                "{name}: {ratio:.1} times as fast as Apache Kafka's, not {RATIO}"
            ));
        }
        if memory > MEMORY {
            missed.push(format!(
                "{name}: {} MB of memory, more than {}",
                memory / 1_000_000,
                MEMORY / 1_000_000
            ));
        }
    }
    (table, missed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_are_as_long_and_as_many_as_asked_for() {
        let mut written = Vec::new();
        write_lines(&mut written, 12_345).unwrap();
        let lines: Vec<&[u8]> = written.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len(), 12_345);
        assert!(lines.iter().all(|line| line.len() == LINE));
    }

    #[test]
    fn what_misses_its_bar_is_named() {
        let run = |tool, side, seconds, memory| Run {
            tool,
            side,
            round: ROUNDS,
            took: Took {
                wall: Duration::from_secs(seconds),
                cpu: Duration::from_secs(1),
                memory,
            },
        };
        let runs = [
            run(Tool::Producer, Side::Klamm, 2, 60_000_000),
            run(Tool::Producer, Side::Apache, 20, 400_000_000),
            run(Tool::Consumer, Side::Klamm, 5, 20_000_000),
            run(Tool::Consumer, Side::Apache, 20, 400_000_000),
        ];
        let (table, missed) = report(&runs, 10_000_000);
        assert!(
            table.contains("| console producer | Klamm | 2.0 | 500 | 1.0 | 60 |\n"),
            "{table}"
        );
        assert_eq!(
            missed,
            [
                "console producer: 60 MB of memory, more than 50",
                "console consumer: 4.0 times as fast as Apache Kafka's, not 5"
            ]
        );
    }
}
