//! One of the four: whose tools, whose broker, and a directory of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use super::apache::{Driver, STEP_LIMIT};
use super::script::{Pace, Step};
use super::transcript::{Replacements, Transcript};
use crate::broker::{Home, Side};

/// What steps run in.
#[derive(Debug)]
pub(super) struct Cell {
    tools: Side,
    broker: Side,
    work: PathBuf,
    klamm: PathBuf,
    /// Where our tools' links lie.
    links: PathBuf,
    driver: Arc<Driver>,
    replacements: Replacements,
}

/// A step that runs beside others, by its place in the script.
type Beside<'scope> = (usize, ScopedJoinHandle<'scope, Result<Transcript, String>>);

/// Waits for the steps that run beside others.
fn collect(beside: &mut Vec<Beside<'_>>, transcripts: &mut [Option<Transcript>]) -> Result<(), String> {
    for (index, step) in beside.drain(..) {
        transcripts[index] = Some(step.join().map_err(|_| "a step panicked")??);
    }
    Ok(())
}

/// `topics` is `topics`, and so is `kafka-topics.sh`.
pub(super) fn tool_name(word: &str) -> &str {
    let link = word.strip_prefix("kafka-").and_then(|word| word.strip_suffix(".sh"));
    link.unwrap_or(word)
}

impl Cell {
    pub(super) fn open(
        (tools, broker): (Side, Side),
        home: &Home,
        klamm: &Path,
        driver: &Arc<Driver>,
    ) -> Result<Cell, String> {
        let (work, links) = (home.dir.join("work"), home.dir.join("links"));
        if let Side::Klamm = tools {
            crate::succeed(
                Command::new(klamm)
                    .arg("install-tools")
                    .arg(&links)
                    .stdout(Stdio::null()),
            )?;
        }
        let replacements = Replacements(vec![
            (format!("127.0.0.1:{}", home.port), "$B"),
            (format!("127.0.0.1:{}", home.port + 1), "$C"),
            (work.display().to_string(), "$D"),
            (home.log_dirs[0].display().to_string(), "$L"),
            (home.port.to_string(), "$PORT"),
            ((home.port + 1).to_string(), "$CPORT"),
        ]);
        Ok(Cell {
            tools,
            broker,
            work,
            klamm: klamm.to_owned(),
            links,
            driver: Arc::clone(driver),
            replacements,
        })
    }

    /// Runs the steps; none of those that are not for its broker.
    pub(super) fn run(&self, steps: &[Step]) -> Result<Vec<Option<Transcript>>, String> {
        let mut transcripts: Vec<Option<Transcript>> = Vec::new();
        transcripts.resize_with(steps.len(), || None);
        std::thread::scope(|scope| {
            let mut beside = Vec::new();
            for (index, step) in steps.iter().enumerate() {
                if step.waits {
                    collect(&mut beside, &mut transcripts)?;
                }
                if step.on_apache && self.broker == Side::Klamm {
                    continue;
                }
                match step.pace {
                    Pace::Beside => beside.push((index, scope.spawn(move || self.once(step, &index.to_string())))),
                    Pace::InTurn => transcripts[index] = Some(self.until_said(step)?),
                }
            }
            collect(&mut beside, &mut transcripts)
        })?;
        Ok(transcripts)
    }

    /// Runs a step until it says what it has to, or for so long that it never will.
    fn until_said(&self, step: &Step) -> Result<Transcript, String> {
        self.copy(step)?;
        let start = Instant::now();
        loop {
            let transcript = self.once(step, "")?;
            let is_said = step
                .until
                .as_ref()
                .is_none_or(|words| transcript.lines.iter().any(|line| line.contains(words)));
            if is_said || start.elapsed() > STEP_LIMIT {
                return Ok(transcript);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn copy(&self, step: &Step) -> Result<(), String> {
        for copy in &step.copies {
            let from = self.replacements.fill(&copy.from);
            let io = |error: std::io::Error| format!("{from}: {error}");
            let mut bytes = std::fs::read(&from).map_err(io)?;
            bytes.truncate(copy.cut.unwrap_or(usize::MAX));
            for at in &copy.flips {
                let byte = bytes.get_mut(*at).ok_or_else(|| format!("{from}: no byte {at}"))?;
                *byte = !*byte;
            }
            let to = self.work.join(&copy.to);
            if let Some(dir) = to.parent() {
                std::fs::create_dir_all(dir).map_err(io)?;
            }
            std::fs::write(to, bytes).map_err(io)?;
        }
        Ok(())
    }

    /// Runs a step once. `beside` tells the files of its streams from those of others at the same time.
    fn once(&self, step: &Step, beside: &str) -> Result<Transcript, String> {
        let at = |name: &str| self.work.join(name);
        let write = |path: &Path, text: &str| {
            std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
        };
        for (name, content) in &step.files {
            write(&at(name), &self.replacements.fill(content))?;
        }
        let stream = |name: &str| at(&format!("{name}{beside}"));
        let stdin = match &step.stdin {
            Some(text) => {
                write(&stream("stdin"), text)?;
                stream("stdin")
            }
            None => PathBuf::new(),
        };
        let said = |tools: Side, beside: &str| self.said(tools, step, &stdin, beside);
        match (self.tools, step.alike) {
            (Side::Apache, true) => Ok(Transcript::alike()),
            (Side::Klamm, true) => Ok(said(Side::Klamm, "")?.compared_with(&said(Side::Apache, "-apache")?)),
            (_, false) if step.with_apache => said(Side::Apache, beside),
            (tools, false) => said(tools, beside),
        }
    }

    /// What the tool of one side says.
    fn said(&self, tools: Side, step: &Step, stdin: &Path, beside: &str) -> Result<Transcript, String> {
        let start = Instant::now();
        let stream = |name: &str| self.work.join(format!("{name}{beside}"));
        let words: Vec<String> = step.words.iter().map(|word| self.replacements.fill(word)).collect();
        let (out, err) = (stream("stdout"), stream("stderr"));
        let exit = match tools {
            Side::Klamm => self.process(&words, stdin, &out, &err)?,
            Side::Apache => self.driver.run(&words, stdin, &out, &err)?,
        };
        let read = |path: &Path| {
            let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (out, err) = (
            self.replacements.hide(&read(&out)?),
            self.replacements.hide(&read(&err)?),
        );
        Ok(Transcript::of(&exit, &out, &err, step.manner, start.elapsed()).hidden(&self.replacements))
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
                None => std::thread::sleep(Duration::from_millis(3)),
            }
        }
    }
}
