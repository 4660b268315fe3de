//! From argv to an exit code: which tool it is, what is asked of it, how it ends.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::call::Call;
use crate::node::Node;
use crate::output::{Failure, Messages, Out, Streams};
use crate::signals::{self, signal};
use crate::spec::{Asked, Manners, Matches, Run, Tool, help, nearest, overview, parse};
use crate::{tool, tools};

/// Runs what the command line says, with the streams of the process. The first word is the program's own name: a link
/// called `kafka-topics.sh` is that tool.
pub fn run(argv: impl IntoIterator<Item = OsString>, node: &'static dyn Node) -> ExitCode {
    ExitCode::from(run_in(argv, node, Streams::process()))
}

/// As [`run`], with other streams.
pub fn run_in(argv: impl IntoIterator<Item = OsString>, node: &'static dyn Node, mut streams: Streams) -> u8 {
    let mut words = Vec::new();
    for word in argv {
        match word.into_string() {
            Ok(word) => words.push(word),
            Err(word) => {
                let failure = Failure::own(format!("`{}` is not UTF-8", word.display())).code(2);
                return refuse(failure, streams);
            }
        }
    }
    let program = if words.is_empty() {
        String::new()
    } else {
        words.remove(0)
    };
    if let Some(tool) = by_script(&program) {
        let called = format!("{}.sh", tool.script.unwrap_or(tool.name));
        return call(tool, &called, words, node, streams);
    }
    let Some(name) = words.first().cloned() else {
        let _closed = streams.error.write_all(overview().as_bytes());
        return 2;
    };
    match (name.as_str(), words.get(1)) {
        ("--help" | "-h", _) | ("help", None) => return print(overview(), streams),
        ("--version" | "-V", _) => return print(format!("klamm {}\n", version()), streams),
        ("help", Some(_)) => {
            words.remove(0);
            words.truncate(1);
            words.push("--help".to_owned());
        }
        _ => {}
    }
    match tool(&words[0]) {
        Some(tool) => {
            words.remove(0);
            call(tool, &format!("klamm {}", tool.name), words, node, streams)
        }
        None => refuse(unknown(&words[0]), streams),
    }
}

/// The line that `--version` prints: the version of Kafka's tools that these behave like, and our own, with the commit if
/// whoever built it named one.
pub(crate) fn version() -> String {
    let commit = option_env!("KLAMM_COMMIT").map_or(String::new(), |commit| format!(", commit {commit}"));
    format!("{KAFKA_VERSION} (klamm {}{commit})", env!("CARGO_PKG_VERSION"))
}

const KAFKA_VERSION: &str = "4.4.0";

/// By what a link is called: `kafka-topics.sh` or `kafka-topics`.
fn by_script(program: &str) -> Option<&'static Tool> {
    let name = Path::new(program).file_name()?.to_str()?;
    let name = name.strip_suffix(".sh").unwrap_or(name);
    tools().iter().find(|tool| tool.script == Some(name))
}

fn unknown(name: &str) -> Failure {
    let short = name.strip_prefix("kafka-").unwrap_or(name);
    let short = short.strip_suffix(".sh").unwrap_or(short);
    let failure = Failure::own(format!("`{name}` is no command of klamm")).code(2);
    match nearest(short, tools().iter().map(|tool| tool.name)) {
        Some(near) => failure.hint(format!("did you mean `klamm {near}`?")),
        None => failure.hint("`klamm --help` lists the commands"),
    }
}

fn refuse(failure: Failure, streams: Streams) -> u8 {
    failure.tell(&mut Out::new(streams.output), &mut Messages::new(streams.error))
}

fn print(text: String, mut streams: Streams) -> u8 {
    let _closed = streams.output.write_all(text.as_bytes());
    0
}

fn call(tool: &'static Tool, called: &str, words: Vec<String>, node: &'static dyn Node, mut streams: Streams) -> u8 {
    match parse(tool, &words) {
        Ok(Asked::Run(args)) => execute(tool, Call::new(args, words, node, streams)),
        Ok(Asked::Version) => print(format!("{}\n", version()), streams),
        Ok(Asked::Help { command, short, bare }) => {
            let text = help(tool, command, called, short, streams.colour && !bare);
            let code = if bare {
                tool.bare_help.unwrap_or(0)
            } else {
                tool.help_exit
            };
            // What nobody asked for does not belong among the data.
            let stream = if bare && code != 0 {
                &mut streams.error
            } else {
                &mut streams.output
            };
            let _closed = stream.write_all(text.as_bytes());
            code
        }
        Err(failure) => {
            let mut out = Out::new(streams.output);
            out.set_json(words.iter().any(|word| word == "--json"));
            failure.tell(&mut out, &mut Messages::new(streams.error))
        }
    }
}

/// What a signal ends a tool with.
fn interrupted(tool: &Tool, args: &Matches, code: u8) -> Failure {
    let changes = tool.changes.iter().any(|name| {
        let command = tool.command(name).is_some();
        (command && args.command() == Some(name)) || (!command && args.has(name))
    });
    signals::interrupted(code).hint(match changes {
        true => "the change may have been made or not: look before you make it again",
        false => "nothing was changed",
    })
}

fn execute(tool: &'static Tool, mut call: Call) -> u8 {
    if tool.operands.is_none() && tool.manners == Manners::Joptsimple && !call.args.rest().is_empty() {
        let rest = call.args.rest().join("`, `");
        call.err
            .line(format_args!("WARNING: `{rest}` belongs to no option and has no effect"));
    }
    let outcome = match tool.run {
        Run::Blocking(run) => run(&mut call),
        Run::Async(run) => match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let args = call.args.clone();
                let outcome = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        outcome = run(&mut call) => outcome,
                        code = signal(), if !tool.hears_signals => Err(interrupted(tool, &args, code)),
                    }
                });
                // A thread that waits for standard input must not hold the process back.
                runtime.shutdown_background();
                outcome
            }
            Err(error) => Err(Failure::own(format!("can't start: {error}")).code(2)),
        },
    };
    let outcome = outcome.and_then(|()| call.out.flush());
    match outcome {
        Ok(()) => 0,
        Err(failure) => {
            let closed = failure.is_closed_pipe();
            let code = failure.tell(&mut call.out, &mut call.err);
            // What was printed before the failure is printed.
            match call.out.flush() {
                Err(flushed) if flushed.is_closed_pipe() && closed => 0,
                _ => code,
            }
        }
    }
}
