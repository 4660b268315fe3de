//! The machine, and what ran on it.

use std::path::Path;
use std::process::Command;

use super::order::Order;
use crate::apache_kafka;

/// The opening of a section: what was compared, where, and how to repeat it.
pub(super) fn introduction(root: &Path, order: &Order, scenario: &str, rounds: usize) -> Result<String, String> {
    let date = said(Command::new("date").args(["-u", "+%F"]))?;
    let git = |args: &[&str]| said(Command::new("git").args(args).current_dir(root));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    Ok(format!(
        "`{}` on {date} at {commit}; Apache Kafka {} on Java {} with the settings of its own start script. {} cores \
         ({}), {:.0} GB of memory, Linux {}, clients on the same machine. Rounds finished: {rounds}; medians, the least and the most in \
         brackets. GB are 10⁹ bytes.",
        order.command(scenario),
        apache_kafka::broker_version(root)?,
        java_version()?,
        std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        field(&read("/proc/cpuinfo"), "model name"),
        memory / 1e6,
        read("/proc/sys/kernel/osrelease").trim(),
    ))
}

/// What else the machine did: figures of one that was busy say less.
pub(super) fn load_average() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = averages.split(' ').next().unwrap_or_default();
    format!("The machine's load average was {minute} when it began.")
}

/// It prints it to its standard error.
fn java_version() -> Result<String, String> {
    let mut java = Command::new("java");
    let output = java
        .arg("-version")
        .output()
        .map_err(|error| format!("{java:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(text.split('"').nth(1).unwrap_or("?").to_owned())
}

/// What a command prints.
pub(super) fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(format!(
            "{command:?}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}
