//! The script: command lines in the order in which they run, with what they read.
//!
//! ```text
//! # a comment
//! @ records.json                                  a file in the working directory, of the lines that follow
//! | {"partitions": []}
//! = $L/t-0/1.log torn/1.log cut 100 flip 7        a copy in the working directory, shortened, a byte of it turned around
//! $ delete-records --bootstrap-server $B --offset-json-file $D/records.json
//! | a line of standard input                      (\t, \n and \\ as usual)
//! : sorted                                        an order that is not promised
//! : until Stable                                  run again until it says so
//! & console-consumer --bootstrap-server $B        runs beside what follows
//! &                                               and here is waited for
//! ```
//!
//! `: alike` is for files that no two brokers have alike: ours and Apache Kafka's tool are compared on the same ones.
//! `: on apache` is for steps that make no sense with a broker of ours, `: with apache` for those that always take Apache
//! Kafka's tool, to prepare others.
//!
//! `$B` and `$C` are the broker's and the controller's addresses, `$D` the working directory, `$L` the broker's log directory.

use std::path::Path;

/// How the output of a step is compared, besides what is always replaced.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    /// Lines come in any order.
    pub(super) sorted: bool,
    /// Lines that come more than once, as when a slow member joins again, count once.
    pub(super) once: bool,
    /// Numbers are measured: `N`.
    pub(super) numbers: bool,
    /// A help text, in words of each, ours on stdout when it was asked for: only the exit code counts.
    pub(super) help: bool,
}

/// A copy of a file, with damage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) from: String,
    /// In the working directory.
    pub(super) to: String,
    /// Only this many bytes of it.
    pub(super) cut: Option<usize>,
    /// Bytes whose bits are turned around.
    pub(super) flips: Vec<usize>,
}

/// When a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// After what stands before it.
    InTurn,
    /// Beside what follows it.
    Beside,
}

/// One thing to run.
#[derive(Debug)]
pub(super) struct Step {
    /// `FILE:LINE` of the script.
    pub(super) at: String,
    /// The command line as written.
    pub(super) line: String,
    /// Its words, placeholders still in them.
    pub(super) words: Vec<String>,
    pub(super) stdin: Option<String>,
    /// Files to write first, by name.
    pub(super) files: Vec<(String, String)>,
    /// Files to copy first.
    pub(super) copies: Vec<Copy>,
    pub(super) pace: Pace,
    /// Steps that run beside are waited for before it.
    pub(super) waits: bool,
    /// What it has to say, however often it takes.
    pub(super) until: Option<String>,
    /// Both tools run, and are compared, in the same cell.
    pub(super) alike: bool,
    /// Only with Apache Kafka's broker.
    pub(super) on_apache: bool,
    /// Always Apache Kafka's tool.
    pub(super) with_apache: bool,
    pub(super) manner: Manner,
}

/// All steps.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) files: usize,
}

impl Script {
    /// Reads `*.txt` of a directory in the order of their names, or only those that are named.
    pub(super) fn read(dir: &Path, only: &[&str]) -> Result<Script, String> {
        let entries = std::fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        paths.retain(|path| only.is_empty() || only.iter().any(|only| name(path).ends_with(only)));
        paths.sort();
        let mut steps = Vec::new();
        for path in &paths {
            let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            steps.extend(parse(&name(path), &text)?);
        }
        match steps.is_empty() {
            true => Err(format!("no steps in {}", dir.display())),
            false => Ok(Script {
                steps,
                files: paths.len(),
            }),
        }
    }
}

/// What `| ` lines belong to.
enum Target {
    Nothing,
    File,
    Stdin,
}

fn parse(file: &str, text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    let mut files: Vec<(String, String)> = Vec::new();
    let (mut copies, mut waits) = (Vec::new(), false);
    let mut target = Target::Nothing;
    for (number, line) in (1..).zip(text.lines()) {
        let at = format!("{file}:{number}");
        let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
        match mark.trim_end() {
            "" | "#" | "##" => {}
            "@" => {
                files.push((rest.trim().to_owned(), String::new()));
                target = Target::File;
            }
            "=" => copies.push(copy(rest).ok_or_else(|| format!("{at}: not FROM TO [cut N] [flip N]…"))?),
            "&" if rest.is_empty() => waits = true,
            "$" | "&" => {
                steps.push(Step {
                    words: words(rest).ok_or_else(|| format!("{at}: an open quote"))?,
                    at,
                    line: rest.to_owned(),
                    stdin: None,
                    files: std::mem::take(&mut files),
                    copies: std::mem::take(&mut copies),
                    pace: match mark {
                        "& " => Pace::Beside,
                        _ => Pace::InTurn,
                    },
                    waits: std::mem::take(&mut waits),
                    until: None,
                    alike: false,
                    on_apache: false,
                    with_apache: false,
                    manner: Manner::default(),
                });
                target = Target::Stdin;
            }
            "|" => match (&target, files.last_mut(), steps.last_mut()) {
                (Target::File, Some((_, content)), _) => *content += &(rest.to_owned() + "\n"),
                (Target::Stdin, _, Some(step)) => *step.stdin.get_or_insert_default() += &(unescape(rest) + "\n"),
                _ => return Err(format!("{at}: a line of what?")),
            },
            ":" => {
                let step = steps.last_mut().ok_or_else(|| format!("{at}: of which step?"))?;
                match (rest, rest.strip_prefix("until ")) {
                    (_, Some(words)) => step.until = Some(words.to_owned()),
                    ("alike", _) => step.alike = true,
                    ("on apache", _) => step.on_apache = true,
                    ("with apache", _) => step.with_apache = true,
                    _ => manners(rest, &mut step.manner).map_err(|word| format!("{at}: unknown manner `{word}`"))?,
                }
            }
            other => return Err(format!("{at}: unknown mark `{other}`")),
        }
    }
    Ok(steps)
}

fn manners<'a>(text: &'a str, manner: &mut Manner) -> Result<(), &'a str> {
    for word in text.split_whitespace() {
        match word {
            "sorted" => manner.sorted = true,
            "once" => manner.once = true,
            "numbers" => manner.numbers = true,
            "help" => manner.help = true,
            other => return Err(other),
        }
    }
    Ok(())
}

fn copy(text: &str) -> Option<Copy> {
    let mut words = text.split_whitespace();
    let mut copy = Copy {
        from: words.next()?.to_owned(),
        to: words.next()?.to_owned(),
        ..Default::default()
    };
    while let Some(word) = words.next() {
        let number = words.next()?.parse().ok()?;
        match word {
            "cut" => copy.cut = Some(number),
            "flip" => copy.flips.push(number),
            _ => return None,
        }
    }
    Some(copy)
}

fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n").replace("\\\\", "\\")
}

/// Splits at spaces; single quotes hold words together, and may be empty. `None` when one is left open.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_words_files_input_and_manners() {
        let text = "# c\n@ f.json\n| {\n| }\n$ topics --x 'a b' ''\n| one\\ttwo\n|\n: sorted numbers\n\n$ topics\n";
        let steps = parse("t", text).unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].words, ["topics", "--x", "a b", ""]);
        assert_eq!(steps[0].files, [("f.json".to_owned(), "{\n}\n".to_owned())]);
        assert_eq!(steps[0].stdin.as_deref(), Some("one\ttwo\n\n"));
        assert!(steps[0].manner.sorted && steps[0].manner.numbers && !steps[0].manner.help);
        assert_eq!((steps[1].at.as_str(), steps[1].stdin.as_deref()), ("t:10", None));
        for wrong in ["| x", "$ a 'b", "? x", ": sorted", "$ a\n: wild", "= a", "= a b cut x"] {
            assert!(parse("t", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_run_beside_others_wait_and_try_again() {
        let text = "& a\n= x y cut 5 flip 1 flip 2\n$ b\n: until c d\n: with apache\n&\n$ e\n: on apache\n";
        let steps = parse("t", text).unwrap();
        assert_eq!(
            steps.iter().map(|step| step.pace).collect::<Vec<_>>(),
            [Pace::Beside, Pace::InTurn, Pace::InTurn]
        );
        assert_eq!(
            steps.iter().map(|step| step.waits).collect::<Vec<_>>(),
            [false, false, true]
        );
        let copy = Copy {
            from: "x".to_owned(),
            to: "y".to_owned(),
            cut: Some(5),
            flips: vec![1, 2],
        };
        assert_eq!(steps[1].copies, [copy]);
        assert_eq!(steps[1].until.as_deref(), Some("c d"));
        assert!(steps[1].with_apache && steps[2].on_apache && !steps[2].with_apache);
    }
}
