//! Apache Kafka's Java clients, in a JVM that takes commands (`tests/exchange/Exchange.java`).

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::apache_kafka::{self, Jvm};

/// The most that one command may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Compiles the clients' side; the directory of its classes.
pub(super) fn compile(root: &Path, work: &Path) -> Result<PathBuf, String> {
    let classes = work.join("classes");
    let sources = ["Exchange", "Fill", "State", "Load", "Cleaned", "Dirty"];
    crate::succeed(
        Command::new("javac")
            .arg("-d")
            .arg(&classes)
            .args(["-cp", &format!("{}/*", apache_kafka::tools_jars(root)?.display())])
            .args(sources.map(|name| root.join(format!("tests/exchange/{name}.java")))),
    )?;
    Ok(classes)
}

/// The JVM. Killed when dropped.
#[derive(Debug)]
pub(super) struct Client {
    jvm: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
}

impl Client {
    /// Starts it; what it logs goes to a file in `dir`.
    pub(super) fn start(root: &Path, classes: &Path, dir: &Path) -> Result<Client, String> {
        let log = dir.join("client.log");
        let log = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let jars = apache_kafka::tools_jars(root)?;
        let classpath = format!("{}:{}/*", classes.display(), jars.display());
        let mut java = Jvm::Quick.java(&classpath, &root.join("tests/tools/log4j2.yaml"));
        let mut jvm = java
            .arg("Exchange")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("java: {error}"))?;
        let commands = jvm.stdin.take().expect("stdin is piped");
        let lines = BufReader::new(jvm.stdout.take().expect("stdout is piped"));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            lines
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Ok(Client { jvm, commands, answers })
    }

    /// Has a command done.
    pub(super) fn ask(&mut self, command: &str) -> Result<(), String> {
        writeln!(self.commands, "{command}").map_err(|error| format!("`{command}`: {error}"))?;
        match self.answers.recv_timeout(LIMIT) {
            Ok(answer) if answer == "ok" => Ok(()),
            Ok(answer) => Err(format!("`{command}`: {answer}")),
            Err(_) => Err(format!("`{command}` has no answer after {} s", LIMIT.as_secs())),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.jvm.kill(); // it may have ended already
        let _ = self.jvm.wait();
    }
}
