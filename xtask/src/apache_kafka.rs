//! Apache Kafka's jars, from Maven Central: what our answers, our tools and our files are compared with.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Copies the jars that one of our poms (`tests/peer/pom.xml`) names into a directory of the target directory, unless that
/// was done for the same pom before.
pub(crate) fn jars(root: &Path, pom: &str) -> Result<PathBuf, String> {
    let pom = root.join(pom);
    let wanted = std::fs::read(&pom).map_err(|error| format!("{}: {error}", pom.display()))?;
    let of = pom
        .parent()
        .and_then(Path::file_name)
        .ok_or("a pom lies in a directory")?;
    let jars = crate::target_dir(root).join("apache-kafka").join(of);
    let complete = jars.join("complete"); // the pom that they were copied for
    if std::fs::read(&complete).is_ok_and(|copied| copied == wanted) {
        return Ok(jars);
    }
    if jars.exists() {
        std::fs::remove_dir_all(&jars).map_err(|error| format!("{}: {error}", jars.display()))?;
    }
    crate::succeed(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(&pom)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", jars.display())),
    )?;
    std::fs::write(&complete, wanted).map_err(|error| format!("{}: {error}", complete.display()))?;
    Ok(jars)
}

/// The jars of the broker.
pub(crate) fn broker_jars(root: &Path) -> Result<PathBuf, String> {
    jars(root, "tests/peer/pom.xml")
}

/// The jars of the tools, with the clients.
pub(crate) fn tools_jars(root: &Path) -> Result<PathBuf, String> {
    jars(root, "tests/tools/pom.xml")
}

/// The version of the broker, of which a jar's name tells.
pub(crate) fn broker_version(root: &Path) -> Result<String, String> {
    let jars = broker_jars(root)?;
    let entries = std::fs::read_dir(&jars).map_err(|error| format!("{}: {error}", jars.display()))?;
    let names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    let version = |name: String| {
        let version = name.strip_prefix("kafka-clients-")?.strip_suffix(".jar")?;
        version
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| version.to_owned())
    };
    let mut versions: Vec<String> = names.filter_map(version).collect();
    versions
        .pop()
        .ok_or_else(|| format!("{}: no jar tells a version", jars.display()))
}

/// How a JVM is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jvm {
    /// Quick to start.
    Quick,
    /// As Kafka's `kafka-server-start.sh` does it.
    Server,
}

impl Jvm {
    pub(crate) fn java(self, classpath: &str, log4j: &Path) -> Command {
        let mut java = Command::new("java");
        match self {
            Jvm::Quick => java.args(["-Xmx512M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]),
            Jvm::Server => java
                .args(["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"])
                .args([
                    "-XX:InitiatingHeapOccupancyPercent=35",
                    "-XX:+ExplicitGCInvokesConcurrent",
                ]),
        };
        java.args(["-Djava.awt.headless=true", "-Dfile.encoding=UTF-8"])
            .arg(format!("-Dlog4j2.configurationFile={}", log4j.display()))
            .args(["-cp", classpath]);
        java
    }
}
