//! Our client, franz-go and librdkafka produce and consume the same records, in turns against one node of ours.
//!
//! The programs in `bench/clients/` set the same limits and look at each record's outcome. What counts is how many records
//! a client handles in a second of its own processor time; other work on the machine disturbs that least.

pub(super) mod programs;

use std::path::Path;
use std::process::{Command, Stdio};

use self::programs::Program;
use super::{process, results};
use crate::broker::{Home, Side};

const PARTITIONS: &str = "12";

/// Records of one size with one codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Load {
    records: u64,
    size: u64,
    codec: &'static str,
}

const LOADS: &[Load] = &[
    Load::new(2_000_000, 1024, "none"),
    Load::new(2_000_000, 1024, "lz4"),
    Load::new(10_000_000, 100, "none"),
    Load::new(10_000_000, 100, "lz4"),
];

impl Load {
    const fn new(records: u64, size: u64, codec: &'static str) -> Self {
        Load { records, size, codec }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Produce,
    Consume,
}

/// One run of a program.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Its place among the programs; ours is the first, franz-go's the second.
    program: usize,
    direction: Direction,
    load: Load,
    /// Records per second of processor time.
    rate: f64,
}

/// Measures and writes the section of the results; returns what misses its bar.
pub(super) fn run(root: &Path, rounds: usize) -> Result<Vec<String>, String> {
    let programs = programs::build(root)?;
    let klamm = super::release(root, "klamm", "KLAMM_BINARY")?;
    let dir = crate::target_dir(root).join("bench/clients");
    let home = Home::create(root, &dir, &klamm, 1, "log.segment.delete.delay.ms=0\n")?;
    home.format(Side::Klamm)?;
    let node = home.start(Side::Klamm, "node.log")?;
    let bench = Bench {
        klamm: &klamm,
        programs: &programs,
        bootstrap: format!("127.0.0.1:{}", home.port),
    };
    let mut runs = Vec::new();
    for round in 0..rounds {
        for load in LOADS {
            bench.turn(round, *load, &mut runs)?;
        }
    }
    node.stop()?;
    let (table, missed) = report(&programs, &runs, rounds, &introduction(root, rounds)?);
    println!("{table}");
    results::write(root, "clients", &table)?;
    std::fs::remove_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(missed)
}

struct Bench<'a> {
    klamm: &'a Path,
    programs: &'a [Program],
    bootstrap: String,
}

impl Bench<'_> {
    /// Each program produces to a topic of its own; then each reads the topic of the one whose turn it is, so that all of
    /// them read batches of every kind.
    fn turn(&self, round: usize, load: Load, runs: &mut Vec<Run>) -> Result<(), String> {
        let count = self.programs.len();
        let topic = |program: usize| format!("{}-{}-{program}", load.size, load.codec);
        let in_turn = (0..count).map(|at| (at + round) % count);
        for program in in_turn.clone() {
            self.topics(&["--create", "--partitions", PARTITIONS, "--topic", &topic(program)])?;
            runs.push(self.measure(program, Direction::Produce, load, &topic(program))?);
        }
        for program in in_turn {
            runs.push(self.measure(program, Direction::Consume, load, &topic(round % count))?);
        }
        (0..count).try_for_each(|program| self.topics(&["--delete", "--topic", &topic(program)]))
    }

    fn measure(&self, program: usize, direction: Direction, load: Load, topic: &str) -> Result<Run, String> {
        let Program { name, binary, .. } = &self.programs[program];
        let (records, size) = (load.records.to_string(), load.size.to_string());
        let mut command = Command::new(binary);
        match direction {
            Direction::Produce => command.args(["produce", &self.bootstrap, topic, &records, &size, load.codec]),
            Direction::Consume => command.args(["consume", &self.bootstrap, topic, &records]),
        };
        let mut said = Vec::new();
        let took = process::run(&mut command, |_| Ok(()), |bytes| said.extend_from_slice(bytes))?;
        let said = String::from_utf8_lossy(&said);
        let expected = format!("{records} {}", load.records * load.size);
        if said.trim() != expected {
            return Err(format!("{command:?}: `{}` instead of `{expected}`", said.trim()));
        }
        let rate = load.records as f64 / took.cpu.as_secs_f64();
        println!("{name} {direction:?} {load:?}: {took:?}, {rate:.0}/s");
        Ok(Run {
            program,
            direction,
            load,
            rate,
        })
    }

    fn topics(&self, args: &[&str]) -> Result<(), String> {
        let mut topics = Command::new(self.klamm);
        topics.args(["topics", "--bootstrap-server", &self.bootstrap]);
        crate::succeed(topics.args(args).stdout(Stdio::null()))
    }
}

fn introduction(root: &Path, rounds: usize) -> Result<String, String> {
    let date = programs::said(Command::new("date").args(["-u", "+%F"]))?;
    let commit = super::machine::sources(root)?;
    Ok(format!(
        "## Clients\n\nMillions of records for each second of the client's processor time, by `cargo xtask bench clients --rounds {rounds}` \
         on {date} at {commit}: the programs of `bench/clients/` in turns against the same release build of a node, {PARTITIONS} \
         partitions, acks=all and idempotent, batches of up to 1 MB that linger for 10 ms, at most 32 MiB and 100,000 \
         records in memory. The median of {rounds} rounds, the least and the most in brackets. {} cores, shared with the node.",
        std::thread::available_parallelism().map_or(1, |cores| cores.get())
    ))
}

/// The section of the results, and where we are behind franz-go.
fn report(programs: &[Program], runs: &[Run], rounds: usize, introduction: &str) -> (String, Vec<String>) {
    let mut table = format!("{introduction}\n\n|  | bytes | codec |");
    for program in programs {
        table += &format!(" {} {} |", program.name, program.version);
    }
    table += " ours to franz-go's |\n|---|---|---|";
    table += &"---|".repeat(programs.len() + 1);
    table.push('\n');
    let mut missed = Vec::new();
    for direction in [Direction::Produce, Direction::Consume] {
        for load in LOADS {
            let mut medians = Vec::new();
            let what = format!("{direction:?}").to_lowercase();
            table += &format!("| {what} | {} | {} |", load.size, load.codec);
            for program in 0..programs.len() {
                let fits = |run: &&Run| (run.program, run.direction, run.load) == (program, direction, *load);
                let mut rates: Vec<f64> = runs.iter().filter(fits).map(|run| run.rate / 1e6).collect();
                rates.sort_by(f64::total_cmp);
                let median = rates[(rounds - 1) / 2];
                table += &format!(" {median:.2} ({:.2}–{:.2}) |", rates[0], rates[rounds - 1]);
                medians.push(median);
            }
            let ratio = medians[0] / medians[1];
            table += &format!(" {ratio:.2} |\n");
            if ratio < 1.0 {
                let Load { size, codec, .. } = load;
                missed.push(format!(
                    "{what} {size} bytes {codec}: {ratio:.2} times the records of franz-go"
                ));
            }
        }
    }
    (table, missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_we_are_behind_is_named() {
        let program = |name: &'static str| Program {
            name,
            version: "1.0".to_owned(),
            binary: "nowhere".into(),
        };
        let mut runs = Vec::new();
        for direction in [Direction::Produce, Direction::Consume] {
            for load in LOADS {
                for rate in [1e6, 3e6, 2e6] {
                    let behind = direction == Direction::Consume && load.size == 100 && load.codec == "lz4";
                    let ours = if behind { rate / 2.0 } else { rate };
                    for (program, rate) in [ours, rate].into_iter().enumerate() {
                        runs.push(Run {
                            program,
                            direction,
                            load: *load,
                            rate,
                        });
                    }
                }
            }
        }
        let (table, missed) = report(&[program("ours"), program("theirs")], &runs, 3, "words");
        let row = "| produce | 1024 | none | 2.00 (1.00–3.00) | 2.00 (1.00–3.00) | 1.00 |\n";
        assert!(table.contains(row), "{table}");
        assert_eq!(missed, ["consume 100 bytes lz4: 0.50 times the records of franz-go"]);
    }
}
