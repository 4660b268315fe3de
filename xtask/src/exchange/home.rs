//! The log directories, and the brokers that have them in turn.

use std::path::Path;
use std::time::Instant;

use super::client::Client;
use super::files;
use crate::broker::{Home, Side};

/// Lines of a difference that are shown; the files have all.
const SHOWN: usize = 12;
/// A cleaner and a retention that do not let one wait, and registrations that end soon when a broker is killed.
const SETTINGS: &str = "log.cleaner.backoff.ms=100\n\
                        log.initial.task.delay.ms=100\n\
                        log.retention.check.interval.ms=500\n\
                        log.flush.start.offset.checkpoint.interval.ms=100\n\
                        broker.session.timeout.ms=1500\n\
                        broker.heartbeat.interval.ms=300\n\
                        offsets.topic.num.partitions=5\n\
                        transaction.state.log.num.partitions=3\n";

/// How a broker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By SIGTERM, and before that nothing was added.
    Look,
    /// By SIGTERM.
    Stop,
    /// By SIGKILL, while a producer writes.
    Kill,
}

/// A sequence of brokers on the same log directories.
#[derive(Debug)]
pub(super) struct Turns {
    home: Home,
    /// Turns so far, and how often something was added.
    round: usize,
    fills: usize,
    /// Who had the last one, and how it ended.
    before: Option<(Side, Ending)>,
    /// What clients saw at its end, and what Apache Kafka alone told at the end of its last turn.
    state: Vec<String>,
    of_apache: Vec<String>,
    /// What is not as it should be.
    pub(super) wrong: Vec<String>,
}

impl Turns {
    /// Has `first` format two empty log directories.
    pub(super) fn begin(root: &Path, dir: &Path, klamm: &Path, first: Side) -> Result<Turns, String> {
        let home = Home::create(root, dir, klamm, 2, SETTINGS)?;
        home.format(first)?;
        Ok(Turns {
            home,
            round: 0,
            fills: 0,
            before: None,
            state: Vec::new(),
            of_apache: Vec::new(),
            wrong: Vec::new(),
        })
    }

    /// Starts a broker, compares what clients see with what they saw before, has them add something, and ends the broker.
    pub(super) fn take(&mut self, client: &mut Client, side: Side, ending: Ending) -> Result<(), String> {
        let round = self.round;
        let begun = Instant::now();
        let bootstrap = format!("127.0.0.1:{}", self.home.port);
        let content = files::content(&self.home.log_dirs)?;
        let broker = self.home.start(side, &format!("{round}-{side}.log"))?;
        let of = self.before.map_or(side, |(of, _)| of);
        if let Some((_, ended)) = self.before {
            if ended == Ending::Kill {
                client.ask(&format!("check-load {bootstrap}"))?;
            }
            let seen = self.look(client, &bootstrap, side, "begin")?;
            self.compare(&seen, side, of);
            if ended != Ending::Kill {
                let log = std::fs::read_to_string(&broker.log).map_err(|error| error.to_string())?;
                self.complain(
                    files::repairs(side, &log),
                    &format!("{side} repairs after a clean stop of {of}"),
                );
            }
        }
        if ending != Ending::Look {
            client.ask(&format!("fill {bootstrap} {} {side}", self.fills))?;
            self.fills += 1;
            let seen = self.look(client, &bootstrap, side, "end")?;
            let (of_apache, state) = seen.into_iter().partition(|line| is_of_apache(line));
            self.state = state;
            if side == Side::Apache {
                self.of_apache = of_apache;
            }
        }
        match ending {
            Ending::Look => {
                broker.stop()?;
                let changes = files::changes(&content, &files::content(&self.home.log_dirs)?);
                self.complain(changes, &format!("{side} changes what {of} left"));
            }
            Ending::Stop => {
                broker.stop()?;
                self.check_files(client, side)?;
            }
            Ending::Kill => {
                client.ask(&format!("load {bootstrap}"))?;
                broker.kill()?;
            }
        }
        self.verify(side)?;
        println!(
            "{}: turn {round} of {side}: {} s",
            self.home.dir.display(),
            begun.elapsed().as_secs()
        );
        self.before = Some((side, ending));
        self.round += 1;
        Ok(())
    }

    /// What clients see.
    fn look(&self, client: &mut Client, bootstrap: &str, side: Side, when: &str) -> Result<Vec<String>, String> {
        let file = self.home.dir.join(format!("{}-{side}-{when}.txt", self.round));
        client.ask(&format!("state {bootstrap} {} {side}", file.display()))?;
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Compares what clients see now with what they saw last; what only Apache Kafka tells, with what it told last.
    fn compare(&mut self, seen: &[String], side: Side, of: Side) {
        let mut before: Vec<&String> = self.state.iter().collect();
        let mut now: Vec<&String> = seen.iter().collect();
        match side {
            Side::Apache if self.of_apache.is_empty() => now.retain(|line| !is_of_apache(line)),
            Side::Apache => before.extend(&self.of_apache),
            Side::Klamm => {}
        }
        let (lost, new) = (files::missing(&before, &now), files::missing(&now, &before));
        self.complain(lost, &format!("{side} does not show what {of} showed"));
        self.complain(new, &format!("{side} shows what {of} did not"));
    }

    /// Has `klamm log verify` read what a broker left.
    fn verify(&mut self, side: Side) -> Result<(), String> {
        for (at, dir) in self.home.log_dirs.clone().iter().enumerate() {
            let report = self.home.verify(dir)?;
            let file = self.home.dir.join(format!("{}-{side}-verify-{at}.txt", self.round));
            std::fs::write(&file, &report).map_err(|error| format!("{}: {error}", file.display()))?;
            let wrong = report.lines().filter(|line| !line.starts_with("note "));
            // Whose it is, how much there is, and what a start does.
            let wrong: Vec<String> = wrong.skip(2).map(str::to_owned).collect();
            let (start, wrong) = wrong.split_last().ok_or("`klamm log verify` says nothing")?;
            self.complain(wrong.to_vec(), &format!("`klamm log verify` finds that {side} left"));
            if !start.starts_with("a start opens ") {
                self.complain(vec![start.clone()], &format!("after {side}"));
            }
        }
        Ok(())
    }

    /// Has Apache Kafka's dump tool read what a broker left.
    fn check_files(&mut self, client: &mut Client, side: Side) -> Result<(), String> {
        for (at, dir) in self.home.log_dirs.clone().iter().enumerate() {
            let file = self.home.dir.join(format!("{}-{side}-dump-{at}.txt", self.round));
            client.ask(&format!("dump-log {} {}", dir.display(), file.display()))?;
            let complaints = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            self.complain(
                complaints.lines().map(str::to_owned).collect(),
                &format!("Apache Kafka's dump tool complains of what {side} left"),
            );
        }
        Ok(())
    }

    fn complain(&mut self, lines: Vec<String>, of: &str) {
        if lines.is_empty() {
            return;
        }
        self.wrong
            .push(format!("turn {}: {of} ({} lines):", self.round, lines.len()));
        self.wrong.extend(lines.iter().take(SHOWN).cloned());
    }
}

fn is_of_apache(line: &str) -> bool {
    line.starts_with("apache ")
}
