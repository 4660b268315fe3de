//! The machine, and what ran on it.

use std::path::Path;
use std::process::Command;

use super::rig::Rig;
use crate::apache_kafka;

/// The opening of a section: what was compared, where, and how to repeat it.
pub(super) fn introduction(rig: &Rig<'_>, scenario: &str, rounds: usize) -> Result<String, String> {
    let date = said(Command::new("date").args(["-u", "+%F"]))?;
    let commit = built_from(&rig.klamm)?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory: f64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    Ok(format!(
        "`{}` on {date}, Klamm built from {commit}; Apache Kafka {} on Java {} with the settings of its own start script. {} cores \
         ({}), {:.0} GB of memory, Linux {}, clients on the same machine. Rounds finished: {rounds}; medians, the least and the most in \
         brackets. GB are 10⁹ bytes.",
        rig.order.command(scenario),
        apache_kafka::broker_version(rig.root)?,
        java_version()?,
        std::thread::available_parallelism().map_or(1, |cores| cores.get()),
        field(&read("/proc/cpuinfo"), "model name"),
        memory / 1e6,
        read("/proc/sys/kernel/osrelease").trim(),
    ))
}

/// The commit that a binary of ours names, which need not be that of the sources beside it.
fn built_from(binary: &Path) -> Result<String, String> {
    let version = said(Command::new(binary).arg("--version"))?;
    Ok(named_commit(&version)
        .unwrap_or("a commit that it does not name")
        .to_owned())
}

/// As `klamm --version` has it: the last word in the brackets.
fn named_commit(version: &str) -> Option<&str> {
    let (_, commit) = version.split_once("commit ")?;
    Some(commit.trim_end_matches(')'))
}

/// The commit of the sources; with `+changes` if what binaries are built from is not as committed.
pub(super) fn sources(root: &Path) -> Result<String, String> {
    let git = |args: &[&str]| said(Command::new("git").args(args).current_dir(root));
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let built = [
        "crates",
        "bench/load",
        "Cargo.toml",
        "Cargo.lock",
        ":(exclude,glob)**/tests/**",
    ];
    let changes = git(&[&["status", "--porcelain", "--"], &built[..]].concat())?;
    Ok(match changes.is_empty() {
        true => commit,
        false => commit + "+changes",
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_may_name_its_commit() {
        assert_eq!(
            named_commit("klamm 4.4.0 (klamm 0.1.0, commit 1a2b3c4+changes)"),
            Some("1a2b3c4+changes")
        );
        assert_eq!(named_commit("klamm 4.4.0 (klamm 0.1.0)"), None);
    }
}
