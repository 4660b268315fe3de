//! One of the four: whose tools, whose broker, and a directory of their own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use super::apache::{Driver, STEP_LIMIT};
use super::broker::Broker;
use super::script::Step;
use super::transcript::{Replacements, Transcript};

/// Whose tools, or whose broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Apache,
    Klamm,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Apache => "apache",
            Side::Klamm => "klamm",
        })
    }
}

/// What steps run in.
#[derive(Debug)]
pub(super) struct Cell {
    tools: Side,
    work: PathBuf,
    klamm: PathBuf,
    /// Where our tools' links lie.
    links: PathBuf,
    driver: Arc<Driver>,
    replacements: Replacements,
}

/// `topics` is `topics`, and so is `kafka-topics.sh`.
pub(super) fn tool_name(word: &str) -> &str {
    let link = word.strip_prefix("kafka-").and_then(|word| word.strip_suffix(".sh"));
    link.unwrap_or(word)
}

impl Cell {
    pub(super) fn open(
        tools: Side,
        dir: &Path,
        broker: &Broker,
        klamm: &Path,
        driver: &Arc<Driver>,
    ) -> Result<Cell, String> {
        let (work, links) = (dir.join("work"), dir.join("links"));
        if let Side::Klamm = tools {
            crate::succeed(
                Command::new(klamm)
                    .arg("install-tools")
                    .arg(&links)
                    .stdout(Stdio::null()),
            )?;
        }
        let replacements = Replacements(vec![
            (format!("127.0.0.1:{}", broker.port), "$B"),
            (format!("127.0.0.1:{}", broker.port + 1), "$C"),
            (work.display().to_string(), "$D"),
            (broker.log_dir.display().to_string(), "$L"),
            (broker.port.to_string(), "$PORT"),
            ((broker.port + 1).to_string(), "$CPORT"),
        ]);
        Ok(Cell {
            tools,
            work,
            klamm: klamm.to_owned(),
            links,
            driver: Arc::clone(driver),
            replacements,
        })
    }

    /// Runs a step to its end.
    pub(super) fn run(&self, step: &Step) -> Result<Transcript, String> {
        let start = Instant::now();
        let at = |name: &str| self.work.join(name);
        let write = |path: &Path, text: &str| {
            std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        for (name, content) in &step.files {
            write(&at(name), &self.replacements.fill(content))?;
        }
        let stdin = match &step.stdin {
            Some(text) => {
                write(&at("stdin"), text)?;
                at("stdin")
            }
            None => PathBuf::new(),
        };
        let words: Vec<String> = step.words.iter().map(|word| self.replacements.fill(word)).collect();
        let (out, err) = (at("stdout"), at("stderr"));
        let exit = match self.tools {
            Side::Apache => self.driver.run(&words, &stdin, &out, &err)?,
            Side::Klamm => self.process(&words, &stdin, &out, &err)?,
        };
        let read = |path: &Path| {
            let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (out, err) = (
            self.replacements.hide(&read(&out)?),
            self.replacements.hide(&read(&err)?),
        );
        Ok(Transcript::of(&exit, &out, &err, step.manner, start.elapsed()))
    }

    fn process(&self, words: &[String], stdin: &Path, out: &Path, err: &Path) -> Result<String, String> {
        let io = |error: std::io::Error| format!("{}: {error}", words[0]);
        let mut command = if words[0].ends_with(".sh") {
            Command::new(self.links.join(&words[0]))
        } else {
            let mut command = Command::new(&self.klamm);
            command.arg(&words[0]);
            command
        };
        command.args(&words[1..]).current_dir(&self.work);
        command.stdin(match stdin.as_os_str().is_empty() {
            true => Stdio::null(),
            false => std::fs::File::open(stdin).map_err(io)?.into(),
        });
        command.stdout(std::fs::File::create(out).map_err(io)?);
        command.stderr(std::fs::File::create(err).map_err(io)?);
        let mut process = match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok("of no such tool".to_owned()),
            process => process.map_err(io)?,
        };
        let deadline = Instant::now() + STEP_LIMIT;
        loop {
            match process.try_wait().map_err(io)? {
                Some(status) => {
                    return Ok(status
                        .code()
                        .map_or_else(|| status.to_string(), |code| code.to_string()));
                }
                None if Instant::now() > deadline => {
                    process.kill().map_err(io)?;
                    process.wait().map_err(io)?;
                    return Ok("late".to_owned());
                }
                None => std::thread::sleep(std::time::Duration::from_millis(3)),
            }
        }
    }
}
