//! The disk between what is measured: what one side left to be written must not be written while the next one is measured.

use std::process::Command;
use std::time::{Duration, Instant};

/// What the system may have left to write on a disk that rests, in kB: other programs write a little all the time.
const LITTLE_KB: u64 = 16 * 1024;
/// On a machine where others write a lot it never comes to rest.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has the system write what it has not written yet, and waits until it has. Files that nobody needs are to be deleted
/// before, as what was not written of them never will be.
pub(super) fn rest() -> Result<(), String> {
    crate::succeed(&mut Command::new("sync"))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let path = "/proc/meminfo";
        let left = unwritten_kb(&std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?);
        if left <= LITTLE_KB {
            return Ok(());
        }
        if Instant::now() > deadline {
            println!("  {} MB are not on the disk: other programs write, too", left / 1024);
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What waits to be written and what is being written.
fn unwritten_kb(meminfo: &str) -> u64 {
    let fields = meminfo.lines().filter_map(|line| line.split_once(':'));
    let counted = fields.filter(|(name, _)| matches!(*name, "Dirty" | "Writeback"));
    counted
        .filter_map(|(_, value)| value.trim().trim_end_matches(" kB").parse::<u64>().ok())
        .sum()
}

/// Has the system write to the disk what it has not yet, and forget it.
pub(super) fn drop_caches() -> Result<(), String> {
    rest()?;
    let path = "/proc/sys/vm/drop_caches";
    std::fs::write(path, "1").map_err(|error| format!("{path}, for which root is needed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_waits_or_is_being_written() {
        let meminfo = "MemTotal:       24689452 kB\nDirty:              1200 kB\nWriteback:            34 kB\n\
            WritebackTmp:        500 kB\nDirect:  7 kB\n";
        assert_eq!(unwritten_kb(meminfo), 1234);
        assert_eq!(unwritten_kb(""), 0);
    }
}
