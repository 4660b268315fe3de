//! Apache Kafka's jars, and the JVM in which its tools run.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::apache_kafka;

/// The most that a tool may take; the driver is asked for it.
pub(super) const STEP_LIMIT: Duration = Duration::from_secs(45);

/// Main classes by the tools' names.
const CLASSES: &[(&str, &str)] = &[
    ("topics", "org.apache.kafka.tools.TopicCommand"),
    ("configs", "kafka.admin.ConfigCommand"),
    ("console-producer", "org.apache.kafka.tools.ConsoleProducer"),
    ("console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
    (
        "consumer-groups",
        "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    ),
    ("groups", "org.apache.kafka.tools.GroupsCommand"),
    ("delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
    ("log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
    ("get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
    ("metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand"),
    ("features", "org.apache.kafka.tools.FeatureCommand"),
    ("storage", "kafka.tools.StorageTool"),
    ("dump-log", "org.apache.kafka.tools.DumpLogSegments"),
    ("broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
    ("cluster", "org.apache.kafka.tools.ClusterTool"),
    ("producer-perf-test", "org.apache.kafka.tools.ProducerPerformance"),
    ("consumer-perf-test", "org.apache.kafka.tools.ConsumerPerformance"),
    ("e2e-latency", "org.apache.kafka.tools.EndToEndLatency"),
    ("verifiable-producer", "org.apache.kafka.tools.VerifiableProducer"),
    ("verifiable-consumer", "org.apache.kafka.tools.VerifiableConsumer"),
    // What makes files for ours to show.
    (
        "console-share-consumer",
        "org.apache.kafka.tools.consumer.ConsoleShareConsumer",
    ),
    ("transactions", "Transactions"),
];

/// Jars and classes on disk.
#[derive(Debug)]
pub(super) struct Apache {
    tools: PathBuf,
    classes: PathBuf,
}

impl Apache {
    /// Takes the jars from Maven Central and compiles the driver.
    pub(super) fn prepare(root: &Path, work: &Path) -> Result<Apache, String> {
        let apache = Apache {
            tools: apache_kafka::tools_jars(root)?,
            classes: work.join("driver"),
        };
        crate::succeed(
            Command::new("javac")
                .arg("-d")
                .arg(&apache.classes)
                .args(["-cp", &format!("{}/*", apache.tools.display())])
                .args(["Driver", "Transactions"].map(|class| root.join(format!("tests/tools/{class}.java")))),
        )?;
        Ok(apache)
    }

    /// Starts the JVM for the tools.
    pub(super) fn driver(&self, root: &Path, work: &Path) -> Result<Driver, String> {
        let log4j = root.join("tests/tools/log4j2.yaml");
        let mut jvm = Command::new("java")
            .args([
                "-Xmx512M",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dfile.encoding=UTF-8",
            ])
            .args([
                "-Djava.security.manager=allow",
                "--add-opens=java.base/java.lang=ALL-UNNAMED",
            ])
            .arg(format!("-Dlog4j2.configurationFile={}", log4j.display()))
            .args([
                "-cp",
                &format!("{}:{}/*", self.classes.display(), self.tools.display()),
                "Driver",
            ])
            .current_dir(work)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("java: {error}"))?;
        let requests = jvm.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(jvm.stdout.take().expect("stdout is piped"));
        let waiting: std::sync::Arc<Mutex<HashMap<u64, Sender<String>>>> = std::sync::Arc::default();
        let others = std::sync::Arc::clone(&waiting);
        let reader = std::thread::spawn(move || {
            for line in answers.lines().map_while(Result::ok) {
                let Some((number, answer)) = line.split_once(' ') else {
                    continue;
                };
                let number = number.parse().unwrap_or_default();
                let waiter = others.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
                if let Some(waiter) = waiter {
                    let _ = waiter.send(answer.to_owned()); // nobody waits any more
                }
            }
            // Whoever still waits learns that the JVM is gone.
            others.lock().unwrap_or_else(PoisonError::into_inner).clear();
        });
        Ok(Driver {
            jvm: Mutex::new((jvm, requests, 0)),
            waiting,
            _reader: reader,
        })
    }
}

/// A JVM that runs tools when asked, several at a time.
#[derive(Debug)]
pub(super) struct Driver {
    jvm: Mutex<(Child, ChildStdin, u64)>,
    waiting: std::sync::Arc<Mutex<HashMap<u64, Sender<String>>>>,
    _reader: JoinHandle<()>,
}

impl Driver {
    /// Runs a tool to its end; its exit code, or why there is none.
    pub(super) fn run(&self, words: &[String], stdin: &Path, out: &Path, err: &Path) -> Result<String, String> {
        let tool = super::cell::tool_name(&words[0]);
        let class = CLASSES.iter().find(|(name, _)| *name == tool);
        let (_, class) = class.ok_or_else(|| format!("no class for `{tool}`"))?;
        let mut fields = vec![
            STEP_LIMIT.as_secs().to_string(),
            stdin.display().to_string(),
            out.display().to_string(),
            err.display().to_string(),
            (*class).to_owned(),
        ];
        fields.extend_from_slice(&words[1..]);
        self.ask(&fields.join("\u{1f}"))?
            .recv_timeout(STEP_LIMIT * 2)
            .map_err(|_| "the JVM of the tools is gone".to_owned())
    }

    fn ask(&self, fields: &str) -> Result<Receiver<String>, String> {
        let (sender, answer) = channel();
        let mut jvm = self.jvm.lock().unwrap_or_else(PoisonError::into_inner);
        jvm.2 += 1;
        let number = jvm.2;
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number, sender);
        writeln!(jvm.1, "{number}\u{1f}{fields}").map_err(|error| format!("the JVM of the tools: {error}"))?;
        Ok(answer)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let jvm = self.jvm.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = jvm.0.kill(); // gone already
        let _ = jvm.0.wait();
    }
}
