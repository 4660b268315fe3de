//! `cargo xtask tour`: runs the commands of the tours in the README and the guide to the tools and compares what they print.
//!
//! A block marked `console` holds commands (`$ …`, with the lines of a here-document after them) and what they print; `…` in an
//! expected line stands for anything. `klamm start` runs on in the background, as in a terminal of its own, until the next
//! one or the end. Commands run in a directory of their own; port 9092 is replaced by a free one.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The most that a command may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A command and the lines that it prints.
#[derive(Debug, PartialEq)]
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The pages with a tour, each with a node of its own.
const PAGES: [&str; 2] = ["README.md", "docs/tools.md"];

/// Runs the tours; returns what was printed otherwise than the pages say.
pub(crate) fn run(root: &Path) -> Result<Vec<String>, String> {
    crate::cargo(root, &["build", "--release", "--package", "klamm"])?;
    let work = crate::target_dir(root).join("tour");
    match std::fs::remove_dir_all(&work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("{}: {error}", work.display()));
        }
        _ => std::fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?,
    }
    let python = crate::compat::python_environment(root)?;
    let release = crate::target_dir(root).join("release");
    let inherited = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{}:{inherited}", release.display(), python.join("bin").display());
    let mut wrong = Vec::new();
    for page in PAGES {
        let text = std::fs::read_to_string(root.join(page)).map_err(|error| format!("{page}: {error}"))?;
        let steps = steps(&text);
        if steps.is_empty() {
            return Err(format!("{page}: there is no tour"));
        }
        let dir = work.join(page.replace(['/', '.'], "-"));
        std::fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let differences = walk(steps, &dir, &path)?;
        wrong.extend(
            differences
                .into_iter()
                .map(|difference| format!("{page}: {difference}")),
        );
    }
    Ok(wrong)
}

/// Takes one tour in a directory of its own.
fn walk(steps: Vec<Step>, work: &Path, path: &str) -> Result<Vec<String>, String> {
    let port = crate::compat::free_ports()?;
    let mut wrong = Vec::new();
    let mut node: Option<Background> = None;
    for step in steps {
        println!("$ {}", step.command.lines().next().unwrap_or_default());
        let command = step.command.replace("9092", &port.to_string());
        let mut shell = Command::new("bash");
        shell.current_dir(work).env("PATH", path).stdin(Stdio::null());
        let printed = if command.starts_with("klamm start") {
            drop(node.take());
            shell.args(["-c", &format!("exec {command} --listen 127.0.0.1:{port}")]);
            node.insert(Background::start(shell)?).first_lines(step.expected.len())
        } else {
            shell.args([
                "-c",
                &format!("timeout {} bash -c \"$0\" 2>&1", LIMIT.as_secs()),
                &command,
            ]);
            let output = shell.output().map_err(|error| format!("bash: {error}"))?;
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .map(str::to_owned)
                .collect()
        };
        let printed: Vec<String> = printed
            .iter()
            .map(|line| line.replace(&port.to_string(), "9092"))
            .collect();
        let same = printed.len() == step.expected.len()
            && printed
                .iter()
                .zip(&step.expected)
                .all(|(line, pattern)| matches(pattern, line));
        if !same {
            let (expected, printed) = (step.expected.join("\n  "), printed.join("\n  "));
            wrong.push(format!(
                "$ {}\n expected\n  {expected}\n printed\n  {printed}",
                step.command
            ));
        }
    }
    Ok(wrong)
}

/// A command that runs on.
struct Background {
    process: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Background {
    fn start(mut shell: Command) -> Result<Self, String> {
        let spawned = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = spawned.map_err(|error| format!("bash: {error}"))?;
        let output = BufReader::new(process.stdout.take().expect("stdout is piped"));
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Ok(Self { process, lines })
    }

    fn first_lines(&self, count: usize) -> Vec<String> {
        let deadline = Instant::now() + LIMIT;
        let next = || {
            self.lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .ok()
        };
        std::iter::from_fn(next).take(count).collect()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-TERM", &self.process.id().to_string()])
            .status();
        let _ = self.process.wait(); // a node ends within its own bound
    }
}

fn steps(markdown: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        if line != "```console" {
            continue;
        }
        let mut block = lines.by_ref().take_while(|line| *line != "```");
        while let Some(line) = block.next() {
            let Some(command) = line.strip_prefix("$ ") else {
                if let Some(step) = steps.last_mut() {
                    step.expected.push(line.to_owned());
                }
                continue;
            };
            let mut command = command.to_owned();
            if command.contains("<<'EOF'") {
                for line in block.by_ref() {
                    command = command + "\n" + line;
                    if line == "EOF" {
                        break;
                    }
                }
            }
            steps.push(Step {
                command,
                expected: Vec::new(),
            });
        }
    }
    steps
}

/// Whether a line is what the pattern says; `…` stands for any text.
fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let mut last = "";
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last = part;
    }
    rest.is_empty() || (pattern.contains('…') && (last.is_empty() || line.ends_with(last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_what_they_print_are_told_apart() {
        let markdown = "text\n```console\n$ one\nprinted\n$ two <<'EOF'\nhere\nEOF\nalso\n```\n```\n$ not this\n```\n";
        let step = |command: &str, expected: &str| Step {
            command: command.into(),
            expected: vec![expected.into()],
        };
        assert_eq!(
            steps(markdown),
            [step("one", "printed"), step("two <<'EOF'\nhere\nEOF", "also")]
        );
    }

    #[test]
    fn an_ellipsis_stands_for_anything() {
        assert!(matches("a … c", "a b c") && matches("…/tour", "/x/tour") && matches("a…", "a") && matches("a", "a"));
        assert!(!matches("a … c", "a b d") && !matches("a", "ab") && !matches("…/tour", "/tour/x"));
    }
}
