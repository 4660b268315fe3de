//! Brokers and bare loops in turns, and what they cost while a load runs.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::disk;
use super::machine::said;
use super::order::Order;
use super::process::{self, Took};
use super::report::{Column, Row, Samples};
use super::results;
use crate::broker::{Broker, Home, Side};

pub(super) const GB: u64 = 1_000_000_000;
/// What a JVM is warmed up with, in pieces that are deleted before the system writes them to the disk.
const WARM_UP: u64 = 5;
/// Lines of `server.properties` for all: what is deleted is gone at once, so that the disk does not fill up.
const PROPERTIES: &str = "log.segment.delete.delay.ms=0\n";
/// A broker that does something on its own after this is measured with it.
const SETTLED: Duration = Duration::from_secs(10);
/// The most that a topic may take to be made.
const CREATED: Duration = Duration::from_secs(120);

/// What all scenarios share.
pub(super) struct Rig<'a> {
    pub(super) root: &'a Path,
    pub(super) order: &'a Order,
    pub(super) klamm: PathBuf,
    load: PathBuf,
}

/// What a load printed.
pub(super) type Figures = BTreeMap<String, f64>;

impl<'a> Rig<'a> {
    pub(super) fn new(root: &'a Path, order: &'a Order) -> Result<Self, String> {
        Ok(Rig {
            root,
            order,
            klamm: super::release(root, "klamm", "KLAMM_BINARY")?,
            load: super::release(root, "klamm-load", "KLAMM_LOAD_BINARY")?,
        })
    }

    /// A part of the load that is usual, a tenth of it in a quick run.
    pub(super) fn scaled(&self, load: u64) -> u64 {
        if self.order.quick { load / 10 } else { load }
    }

    /// Who is compared: Klamm, Apache Kafka, and the other binary if there is one. Every other round in reverse.
    pub(super) fn brokers(&self, round: usize) -> Vec<Column> {
        let mut brokers = vec![Column::Klamm, Column::Kafka];
        if self.order.peer.is_some() {
            brokers.push(Column::Peer);
        }
        if round % 2 == 1 {
            brokers.reverse();
        }
        brokers
    }

    fn dir(&self) -> PathBuf {
        crate::target_dir(self.root).join("bench/broker")
    }

    /// Prepares an empty directory of a broker.
    pub(super) fn home(&self, column: Column, properties: &str) -> Result<Home, String> {
        let binary = match column {
            Column::Peer => self.order.peer.as_deref().unwrap_or(&self.klamm),
            _ => &self.klamm,
        };
        let home = Home::create(self.root, &self.dir(), binary, 1, &format!("{PROPERTIES}{properties}"))?;
        let home = home.with_server_jvm();
        home.format(side(column))?;
        disk::rest()?;
        Ok(home)
    }

    /// Starts a broker on an empty directory.
    pub(super) fn broker(&self, column: Column, properties: &str) -> Result<Target<'_>, String> {
        self.start(column, &self.home(column, properties)?)
    }

    /// Starts a broker on a directory that may have been used before.
    pub(super) fn start(&self, column: Column, home: &Home) -> Result<Target<'_>, String> {
        Ok(self.target(column, home, home.start(side(column), "broker.log")?))
    }

    pub(super) fn target(&self, column: Column, home: &Home, broker: Broker) -> Target<'_> {
        Target {
            rig: self,
            column,
            pid: broker.pid(),
            port: home.port,
            dir: home.dir.clone(),
            runs: Runs::Broker(broker),
        }
    }

    /// Starts a bare loop; `{dir}` in the words is its directory, which is emptied unless `keep`.
    pub(super) fn limit(&self, words: &[&str]) -> Result<Target<'_>, String> {
        emptied(&self.dir())?; // of the broker before, too
        let dir = self.dir().join("limit");
        emptied(&dir)?;
        disk::rest()?;
        let port = crate::broker::free_ports()?;
        let dir_word = dir.display().to_string();
        let mut command = Command::new(&self.load);
        command
            .arg("limit")
            .args(words.iter().map(|word| word.replace("{dir}", &dir_word)));
        command.args(["--port", &port.to_string()]).stdin(Stdio::null());
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let target = Target {
            rig: self,
            column: Column::Limit,
            pid: child.id(),
            port,
            dir,
            runs: Runs::Loop(Loop(child)),
        };
        let deadline = Instant::now() + SETTLED;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > deadline {
                return Err(format!("{command:?} does not listen"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(target)
    }

    /// Runs `turn` once a round. After each, prints the report and writes it to the results, unless the run is a quick one, so
    /// that a run that is broken off leaves what it has found. Returns which bars are missed.
    pub(super) fn rounds(
        &self,
        scenario: &str,
        words: &str,
        mut turn: impl FnMut(usize, &mut Samples) -> Result<(), String>,
    ) -> Result<Vec<String>, String> {
        let mut samples = Samples::default();
        let mut missed = Vec::new();
        let busy = super::machine::load_average();
        for round in 0..self.order.rounds {
            println!("{scenario}, round {}", round + 1);
            turn(round, &mut samples)?;
            let table;
            (table, missed) = samples.report();
            let introduction = super::machine::introduction(self, scenario, round + 1)?;
            let section = format!("{words}\n\n{introduction} {busy}\n\n{table}");
            println!("{section}");
            if !self.order.quick {
                results::write(self.root, scenario, &section)?;
            }
        }
        std::fs::remove_dir_all(self.dir()).map_err(|error| format!("{}: {error}", self.dir().display()))?;
        Ok(missed)
    }

    /// Runs the load program to its end, told as for [`Rig::spawn_load`].
    pub(super) fn load(&self, load: &str) -> Result<Figures, String> {
        figures(&said(Command::new(&self.load).args(load.split_whitespace()))?)
    }

    /// Starts a thread that only sleeps, with the priority of real time, for so many seconds: what it is late the machine is
    /// to blame for and no broker. What it prints comes by [`ended`].
    pub(super) fn spawn_sleeper(&self, seconds: u64) -> Result<Child, String> {
        let mut command = Command::new("chrt");
        command.args(["--fifo", "50"]).arg(&self.load);
        command.args(["limit", "sleep", "--seconds", &seconds.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().map_err(|error| format!("{command:?}: {error}"))
    }

    /// Starts the load program, told in one text whose words are separated by blanks; what it prints comes by [`ended`].
    pub(super) fn spawn_load(&self, load: &str) -> Result<Child, String> {
        let mut command = Command::new(&self.load);
        command.args(load.split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.spawn().map_err(|error| format!("{command:?}: {error}"))
    }
}

/// Waits for the end of a load and reads its figures.
pub(super) fn ended(load: Child) -> Result<Figures, String> {
    let output = load.wait_with_output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => figures(&String::from_utf8_lossy(&output.stdout)),
        false => Err(format!("the load ended with {}", output.status)),
    }
}

fn figures(line: &str) -> Result<Figures, String> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    line.split_whitespace()
        .map(|word| pair(word).ok_or_else(|| format!("`{word}` is no figure")))
        .collect()
}

pub(super) fn side(column: Column) -> Side {
    match column {
        Column::Kafka | Column::KafkaCold => Side::Apache,
        _ => Side::Klamm,
    }
}

pub(super) fn emptied(dir: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", dir.display());
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    std::fs::create_dir_all(dir).map_err(failed)
}

enum Runs {
    Broker(Broker),
    Loop(Loop),
}

/// A bare loop. Dropped, it is killed.
struct Loop(Child);

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended already
        let _ = self.0.wait();
    }
}

/// A running broker or bare loop.
pub(super) struct Target<'a> {
    rig: &'a Rig<'a>,
    pub(super) column: Column,
    pub(super) pid: u32,
    port: u16,
    /// Where it keeps its files.
    pub(super) dir: PathBuf,
    runs: Runs,
}

/// A load, and what it cost its target.
pub(super) struct Measured {
    pub(super) figures: Figures,
    /// Of the target, seconds.
    pub(super) cpu: f64,
}

impl Measured {
    pub(super) fn figure(&self, name: &str) -> f64 {
        self.figures.get(name).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn cpu_per_gb(&self) -> f64 {
        self.cpu / (self.figure("bytes") / GB as f64)
    }

    pub(super) fn gb_per_second(&self) -> f64 {
        self.figure("bytes") / GB as f64 / self.figure("seconds")
    }
}

impl Samples {
    /// Adds what moving records cost, and how fast it went. `bars` are those of CPU seconds per GB: the most of Kafka's and of
    /// the bare loop's; `speed` is the least of Kafka's GB per second.
    pub(super) fn add_cost(
        &mut self,
        what: &'static str,
        column: Column,
        measured: &Measured,
        bars: [Option<f64>; 2],
        speed: Option<f64>,
    ) {
        let [kafka, limit] = bars;
        let cpu = Row::less(what, "CPU s/GB").against_kafka(kafka).against_limit(limit);
        self.add(&cpu, column, measured.cpu_per_gb());
        let row = Row::more(what, "GB/s").against_kafka(speed);
        self.add(&row, column, measured.gb_per_second());
    }
}

impl Target<'_> {
    pub(super) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn topics(&self, words: &[&str]) -> Result<(), String> {
        if let Runs::Broker(_) = self.runs {
            let mut topics = Command::new(&self.rig.klamm);
            topics.args(["topics", "--bootstrap-server", &self.bootstrap()]);
            said(topics.args(words))?;
        }
        Ok(())
    }

    /// Makes a topic and waits until all of its partitions are there, and that has settled.
    pub(super) fn create(&self, topic: &str, partitions: u64) -> Result<(), String> {
        let Runs::Broker(_) = self.runs else {
            return disk::rest();
        };
        self.topics(&["--create", "--topic", topic, "--partitions", &partitions.to_string()])?;
        let deadline = Instant::now() + CREATED;
        let prefix = format!("{topic}-");
        while self.logs(|name| name.starts_with(&prefix)) < partitions {
            if Instant::now() > deadline {
                return Err(format!("the {partitions} partitions of {topic} do not come"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.settle()
    }

    /// The `.log` files of the partitions whose names begin so.
    pub(super) fn log_files(&self, prefix: &str) -> Vec<PathBuf> {
        let entries = |dir: &Path| {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let is_partition = |dir: &PathBuf| {
            dir.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
        };
        let partitions = entries(&self.dir.join("data")).into_iter().filter(is_partition);
        let files = partitions.flat_map(|dir| entries(&dir));
        files
            .filter(|file| file.extension().is_some_and(|extension| extension == "log"))
            .collect()
    }

    /// Directories of partitions whose names are so.
    fn logs(&self, named: impl Fn(&str) -> bool) -> u64 {
        let entries = std::fs::read_dir(self.dir.join("data")).into_iter().flatten().flatten();
        entries
            .filter(|entry| named(&entry.file_name().to_string_lossy()))
            .count() as u64
    }

    /// Deletes a topic, of a bare loop its files, and waits until that has settled.
    pub(super) fn delete(&self, topic: &str) -> Result<(), String> {
        match self.runs {
            Runs::Broker(_) => self.topics(&["--delete", "--topic", topic])?,
            Runs::Loop(_) => emptied(&self.dir)?,
        }
        self.settle()
    }

    /// Waits until it is idle: a tenth of a second with less than a tick of processor time, and nothing left to delete. Then
    /// until the disk is.
    pub(super) fn settle(&self) -> Result<(), String> {
        let deadline = Instant::now() + SETTLED;
        let deleting = || self.logs(|name| name.ends_with("-delete")) > 0;
        let mut before = self.took().cpu;
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.took().cpu;
            if now - before <= Duration::from_millis(10) && !deleting() {
                break;
            }
            before = now;
        }
        disk::rest()
    }

    /// What it has cost so far.
    pub(super) fn took(&self) -> Took {
        process::taken(self.pid)
    }

    /// Runs a load on it.
    pub(super) fn measure(&self, load: &str) -> Result<Measured, String> {
        let before = self.took().cpu;
        let figures = self.rig.load(&format!("{load} --bootstrap {}", self.bootstrap()))?;
        Ok(Measured {
            figures,
            cpu: (self.took().cpu - before).as_secs_f64(),
        })
    }

    /// Starts a load on it.
    pub(super) fn spawn_load(&self, load: &str) -> Result<Child, String> {
        self.rig.spawn_load(&format!("{load} --bootstrap {}", self.bootstrap()))
    }

    /// Produces what warms a JVM up, and deletes it again; the first of Apache Kafka's is given to `cold`.
    pub(super) fn warm_up(&self, mut cold: impl FnMut(Measured)) -> Result<(), String> {
        let (pieces, bytes) = match (self.column, self.rig.order.quick) {
            (Column::Limit, _) | (_, true) => (1, GB / 4),
            _ => (WARM_UP, GB),
        };
        for piece in 0..pieces {
            self.create("warm-up", 4)?;
            let kind = if piece % 2 == 0 {
                "--batch-size 1048576"
            } else {
                "--batch-size 65536 --acks -1"
            };
            let measured = self.measure(&format!(
                "produce --topic warm-up --partitions 4 --connections 4 --record-size 1024 {kind} --bytes {bytes}"
            ))?;
            if piece == 0 {
                cold(measured);
            }
            self.delete("warm-up")?;
        }
        Ok(())
    }

    /// Stops it, which a broker does cleanly.
    pub(super) fn stop(self) -> Result<(), String> {
        match self.runs {
            Runs::Broker(broker) => broker.stop(),
            Runs::Loop(bare) => {
                drop(bare);
                Ok(())
            }
        }
    }

    /// Kills it with SIGKILL, a bare loop or a broker.
    pub(super) fn kill(self) -> Result<(), String> {
        match self.runs {
            Runs::Broker(broker) => broker.kill(),
            Runs::Loop(bare) => {
                drop(bare);
                Ok(())
            }
        }
    }

    /// Its memory now, as a row of `what`.
    pub(super) fn add_memory(&self, what: &str, bar: Option<f64>, samples: &mut Samples) -> Result<(), String> {
        let resident = process::resident(self.pid) as f64 / 1e6;
        if resident == 0.0 {
            return Err(format!("{} has ended", self.column.name()));
        }
        samples.add(
            &Row::less(what, "MB resident").against_kafka(bar),
            self.column,
            resident,
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_names() {
        let read = figures("bytes=1000 seconds=0.5\n").unwrap();
        assert_eq!((read["bytes"], read["seconds"]), (1000.0, 0.5));
        assert!(figures("bytes").is_err());
        assert!(figures("bytes=many").is_err());
    }
}
