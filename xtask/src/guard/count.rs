//! Counts, with callgrind and strace.

use std::path::Path;
use std::process::{Command, Output};

use super::baseline::{Baseline, Kind};

/// How often a function is called.
const CALLS: u32 = 100;
/// How many requests two runs of a script send: the difference is what the requests cost, without start and end.
const FEW: u32 = 200;
const MANY: u32 = 1_200;

/// Runs all that `program` offers.
pub(super) fn all(program: &Path) -> Result<Baseline, String> {
    let mut counts = Baseline::new(machine()?);
    let list = printed(Command::new(program).arg("list"))?;
    let (has_callgrind, has_strace) = (can_run("valgrind", program)?, can_run("strace", program)?);
    for (what, name) in list.lines().filter_map(|line| line.split_once(' ')) {
        println!("{what} {name}");
        if what == "function" {
            if has_callgrind {
                let collected = instructions(program, &["function", name, &CALLS.to_string()])?;
                counts.set(Kind::Instructions, name, collected as f64 / f64::from(CALLS));
            }
            continue;
        }
        let allocations = printed(Command::new(program).args(["script", name, &MANY.to_string()]))?;
        let allocations = allocations
            .trim()
            .strip_prefix("allocations=")
            .and_then(|text| text.parse().ok());
        counts.set(
            Kind::Allocations,
            name,
            allocations.ok_or("no allocations were counted")?,
        );
        let of_one = |count: &dyn Fn(&[&str]) -> Result<u64, String>| {
            let of = |requests: u32| count(&["script", name, &requests.to_string()]);
            let (few, many) = (of(FEW)?, of(MANY)?);
            Ok::<f64, String>(many.saturating_sub(few) as f64 / f64::from(MANY - FEW))
        };
        if has_callgrind {
            counts.set(
                Kind::RequestInstructions,
                name,
                of_one(&|args| instructions(program, args))?,
            );
        }
        if has_strace {
            counts.set(Kind::SystemCalls, name, of_one(&|args| system_calls(program, args))?);
        }
    }
    Ok(counts)
}

/// What counts of instructions depend on.
fn machine() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let avx2 =
        std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.split_whitespace().any(|flag| flag == "avx2"));
    Ok(format!(
        "{}{}, {}, {}, {}",
        std::env::consts::ARCH,
        if avx2 { " with AVX2" } else { "" },
        printed(Command::new(rustc).arg("-V"))?.trim(),
        printed(Command::new("getconf").arg("GNU_LIBC_VERSION"))?.trim(),
        printed(Command::new("valgrind").arg("--version"))?.trim(),
    ))
}

/// Whether a tool works here at all: where nobody may trace a process it does not, and where the processor is newer than the tool.
fn can_run(tool: &str, program: &Path) -> Result<bool, String> {
    let mut command = match tool {
        "strace" => strace(Path::new("/dev/null")),
        _ => callgrind(),
    };
    let output = output(command.arg(program).arg("list"))?;
    if !output.status.success() {
        println!(
            "not counted: {tool} does not work here: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output.status.success())
}

fn callgrind() -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command
}

/// Of all threads; of a function only those in its calls.
fn instructions(program: &Path, args: &[&str]) -> Result<u64, String> {
    let mut command = callgrind();
    if args.first() == Some(&"function") {
        command.arg("--toggle-collect=*functions*counted*");
    }
    let output = succeeded(command.arg(program).args(args))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let collected = told
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected
        .filter(|count| *count > 0)
        .ok_or_else(|| format!("callgrind counted nothing:\n{told}"))
}

fn strace(into: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o"]).arg(into);
    command
}

/// Of all threads but the main one, which is the client.
fn system_calls(program: &Path, args: &[&str]) -> Result<u64, String> {
    let file = program.with_extension("strace");
    succeeded(strace(&file).arg(program).args(args))?;
    let trace = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let removed = std::fs::remove_file(&file);
    removed.map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(count_calls(&String::from_utf8_lossy(&trace)))
}

/// Calls in a trace, of the processes and threads that are not the first. A call that another thread interrupts stands there twice.
fn count_calls(trace: &str) -> u64 {
    let mut lines = trace.lines().filter_map(|line| line.split_once(' ')).peekable();
    let main = lines.peek().map(|(process, _)| *process);
    let calls = lines.filter(|(process, call)| {
        let call = call.trim_start();
        Some(*process) != main && !call.starts_with("<... ") && !call.starts_with("+++") && !call.starts_with("---")
    });
    calls.count() as u64
}

fn printed(command: &mut Command) -> Result<String, String> {
    Ok(String::from_utf8_lossy(&succeeded(command)?.stdout).into_owned())
}

fn succeeded(command: &mut Command) -> Result<Output, String> {
    let output = output(command)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(format!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn output(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("{command:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::count_calls;

    #[test]
    fn calls_of_other_threads_than_the_first_are_counted_once() {
        let trace = "7  execve(\"x\") = 0\n7  clone3() = 8\n8  rseq(1) = 0\n7  write(3) = 4\n8  epoll_wait(3 <unfinished ...>\n\
                     7  read(3) = 1\n8  <... epoll_wait resumed>) = 1\n8  +++ exited with 0 +++\n8  --- SIGPIPE ---\n9    close(3) = 0\n";
        assert_eq!(count_calls(trace), 3);
        assert_eq!(count_calls(""), 0);
    }
}
