//! `cargo xtask compat [CLIENT]…`: the suites of `tests/compat/` against a real `klamm` process.
//!
//! What clients there are is [`CLIENTS`]; what their suites have to print is `tests/compat/features.txt` without the rows
//! of `tests/compat/missing.txt`. The page `docs/reference/clients.md` is rendered from the same three (`matrix`), so a
//! run that passes is what makes the page true. Each suite gets a node of its own on a free port and an empty directory,
//! and two run at a time: they wait more than they work. What the clients need comes from their registries (`install`).

mod install;
pub(crate) mod matrix;
mod node;
mod suite;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

pub(crate) use install::python_environment;
pub(crate) use node::free_ports;

/// How many suites run at a time.
const LANES: usize = 2;

/// Installs what a suite needs, and gives the command that runs it without its arguments.
type Prepare = fn(root: &Path) -> Result<Vec<String>, String>;
/// Tells the library's version.
type Version = fn(root: &Path) -> Result<String, String>;

/// A client library with its suite.
pub(crate) struct Client {
    pub(crate) name: &'static str,
    language: &'static str,
    version: Version,
    prepare: Prepare,
}

/// In the order of the page.
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "java",
        language: "Java",
        version: |root| install::java_version(root, "newest"),
        prepare: |root| install::java(root, "newest"),
    },
    Client {
        name: "java-2.8",
        language: "Java",
        version: |root| install::java_version(root, "v2.8"),
        prepare: |root| install::java(root, "v2.8"),
    },
    Client {
        name: "librdkafka",
        language: "C, through confluent-kafka for Python",
        version: |root| install::python_version(root, "confluent-kafka"),
        prepare: |root| install::python(root, "confluent.py"),
    },
    Client {
        name: "librdkafka-2.0",
        language: "C, through kcat",
        version: |_| Ok("2.0.2, as Debian 12 has it".to_owned()),
        prepare: |root| install::python(root, "kcat.py"),
    },
    Client {
        name: "franz-go",
        language: "Go",
        version: |root| install::go_version(root, "github.com/twmb/franz-go"),
        prepare: |root| install::go(root, "franz"),
    },
    Client {
        name: "sarama",
        language: "Go",
        version: |root| install::go_version(root, "github.com/IBM/sarama"),
        prepare: |root| install::go(root, "sarama"),
    },
    Client {
        name: "kafka-go",
        language: "Go",
        version: |root| install::go_version(root, "github.com/segmentio/kafka-go"),
        prepare: |root| install::go(root, "kafkago"),
    },
    Client {
        name: "kafka-python",
        language: "Python",
        version: |root| install::python_version(root, "kafka-python"),
        prepare: |root| install::python(root, "kafka_python.py"),
    },
    Client {
        name: "aiokafka",
        language: "Python",
        version: |root| install::python_version(root, "aiokafka"),
        prepare: |root| install::python(root, "aio_kafka.py"),
    },
    Client {
        name: "kafkajs",
        language: "JavaScript",
        version: install::javascript_version,
        prepare: install::javascript,
    },
];

/// Runs the named suites, or all of them; returns what failed, one line each.
pub(crate) fn run(root: &Path, only: &[&str]) -> Result<Vec<String>, String> {
    if let Some(unknown) = only
        .iter()
        .find(|name| CLIENTS.iter().all(|client| client.name != **name))
    {
        let known: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
        return Err(format!("unknown client `{unknown}`, known are: {}", known.join(", ")));
    }
    if let Some(stale) = matrix::stale(root)? {
        return Ok(vec![stale]);
    }
    let plan = matrix::Plan::read(root)?;
    crate::cargo(root, &["build", "--release", "--package", "klamm"])?;
    let klamm = crate::target_dir(root).join("release/klamm");
    let start = Instant::now();
    let mut prepared = Vec::new();
    for client in CLIENTS
        .iter()
        .filter(|client| only.is_empty() || only.contains(&client.name))
    {
        prepared.push((client, (client.prepare)(root)?));
    }
    println!("the clients are installed after {} s", start.elapsed().as_secs());
    let failures = Mutex::new(Vec::new());
    let waiting = Mutex::new(prepared.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let Some((client, command)) = lock(&waiting).next() else {
                        return;
                    };
                    let begun = Instant::now();
                    let data = work_dir(root).join(format!("data-{}", client.name));
                    let outcome = suite::run(&klamm, &data, &command);
                    let wrong = tell(client.name, outcome, &plan, begun);
                    lock(&failures).extend(wrong);
                }
            });
        }
    });
    println!("the suites ended after {} s", start.elapsed().as_secs());
    Ok(std::mem::take(&mut *lock(&failures)))
}

/// Prints a suite's outcome in one piece; returns what is wrong with it.
fn tell(client: &str, outcome: Result<suite::Outcome, String>, plan: &matrix::Plan, begun: Instant) -> Vec<String> {
    let (rows, said, mut wrong) = match outcome {
        Ok(outcome) => (outcome.rows, outcome.said, outcome.wrong),
        Err(error) => (Vec::new(), String::new(), vec![error]),
    };
    if wrong.is_empty() {
        wrong.extend(plan.compare(client, &rows));
    }
    let passed = rows.iter().filter(|row| row.passed()).count();
    let seconds = begun.elapsed().as_secs();
    if wrong.is_empty() {
        println!("== {client}: {passed} features pass in {seconds} s");
    } else {
        println!(
            "== {client}: {passed} features pass, {} things wrong, in {seconds} s; it said:",
            wrong.len()
        );
        print!("{said}");
        println!("== end of what {client} said");
    }
    wrong.into_iter().map(|line| format!("{client}: {line}")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where the clients and their data go.
fn work_dir(root: &Path) -> PathBuf {
    crate::target_dir(root).join("compat")
}

/// Where the suites are.
fn suites_dir(root: &Path) -> PathBuf {
    root.join("tests/compat")
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
