//! A process that is fed and read through pipes, and what it took.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the process is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// What a process took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// Most memory that it had resident, in bytes.
    pub(super) memory: u64,
}

/// Runs a process to its end. `feed` writes its standard input, which then ends; `read` is given what it prints.
/// Its standard error is dropped, unless it fails.
pub(super) fn run(
    command: &mut Command,
    feed: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send,
    mut read: impl FnMut(&[u8]) + Send,
) -> Result<Took, String> {
    let what = format!("{command:?}");
    let failed = |error: std::io::Error| format!("{what}: {error}");
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut input = child.stdin.take().expect("stdin is piped");
    let mut output = child.stdout.take().expect("stdout is piped");
    let mut errors = child.stderr.take().expect("stderr is piped");
    std::thread::scope(|scope| {
        let feeder = scope.spawn(move || feed(&mut input));
        scope.spawn(move || {
            let mut block = vec![0; 256 * 1024];
            while let Ok(count @ 1..) = output.read(&mut block) {
                read(&block[..count]);
            }
        });
        let told = scope.spawn(move || {
            let mut text = Vec::new();
            let _partial = errors.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut took = Took::default();
        let status = loop {
            look(child.id(), &mut took);
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            std::thread::sleep(LOOK);
        };
        took.wall = begun.elapsed();
        let told = told.join().unwrap_or_default();
        let fed = feeder.join().map_err(|_| "the feeder panicked")?;
        match (status.success(), fed) {
            (true, Ok(())) => Ok(took),
            (_, fed) => Err(format!(
                "{what}: {status} {told}{}",
                fed.err().map_or(String::new(), |error| error.to_string())
            )),
        }
    })
}

/// Takes the figures of a process as they are now. Both only grow.
fn look(pid: u32, took: &mut Took) {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    took.memory = took.memory.max(kilobytes(&read("status"), "VmHWM:") * 1024);
    if let Some(ticks) = ticks(&read("stat")) {
        took.cpu = took.cpu.max(Duration::from_millis(ticks * 10));
    }
}

/// What a process has taken so far; its wall time is not known.
pub(super) fn taken(pid: u32) -> Took {
    let mut took = Took::default();
    look(pid, &mut took);
    took
}

/// Memory that a process has resident now, in bytes.
pub(super) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    kilobytes(&status, "VmRSS:") * 1024
}

fn kilobytes(status: &str, name: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// User and system time in hundredths of a second: the 14th and 15th field, counted behind the name in brackets.
pub(super) fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_and_is_measured() {
        let mut read = Vec::new();
        let fed = |input: &mut dyn Write| (0..100).try_for_each(|_| input.write_all(&[b'x'; 10_000]));
        let took = run(&mut Command::new("cat"), fed, |bytes| read.extend_from_slice(bytes)).unwrap();
        assert_eq!(read.len(), 1_000_000);
        assert!(took.wall > Duration::ZERO, "{took:?}");
        let failed = run(&mut Command::new("false"), |_| Ok(()), |_| ());
        assert!(failed.is_err());
    }

    #[test]
    fn a_process_is_looked_at() {
        let mut took = Took::default();
        look(std::process::id(), &mut took);
        assert!(took.memory > 500_000, "{took:?}");
    }

    #[test]
    fn ticks_stand_behind_a_name_with_blanks() {
        let stat = "12 (a b) c) S 1 12 12 0 -1 4194304 1 2 3 4 70 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(100));
    }
}
