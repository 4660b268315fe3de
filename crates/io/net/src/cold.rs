//! File regions that are not in the system's cache: the disk is waited for on a thread that may wait, not by `sendfile` on one
//! of the runtime's, which would hold up all connections that it serves.

use std::num::NonZeroU64;

use rustix::fs::Advice;
use rustix::io::Errno;

use crate::segments::FileRegion;

/// As much of a region is looked at, and sent, at a time.
const WINDOW_BYTES: u32 = 1024 * 1024;
/// As much is read ahead of a reader that comes to what is not in memory.
const AHEAD_BYTES: u64 = 4 * 1024 * 1024;

/// Has the first bytes of a region in the system's cache, and says how many. What follows them in the file is read ahead:
/// consumers that are far behind read on and on.
///
/// Looks at the first and the last of those bytes only; if others are missing, `sendfile` waits for them.
pub(crate) async fn bring_in(region: &FileRegion) -> u32 {
    let window = FileRegion {
        len: region.len.min(WINDOW_BYTES),
        ..region.clone()
    };
    let len = window.len;
    let end = window.position + u64::from(len);
    if !ends(&window).into_iter().all(|at| is_cached(&window, at)) {
        // Whatever is wrong with the file shows when it is sent.
        let _ended = tokio::task::spawn_blocking(move || read_in(&window)).await;
    } else if !is_cached(&window, end + AHEAD_BYTES / 2) {
        // Half of what was read ahead is left: the next part is asked for before the reader comes to the end of this one.
        // To ask can take its time, too.
        tokio::task::spawn_blocking(move || read_ahead(&window, end));
    }
    len
}

/// The positions of the first and of the last byte.
fn ends(region: &FileRegion) -> [u64; 2] {
    [region.position, region.position + u64::from(region.len.max(1)) - 1]
}

/// What lies behind the end of the file needs no reading, and counts as cached.
fn is_cached(region: &FileRegion, at: u64) -> bool {
    region.read_cached(&mut [0], at) != Err(Errno::AGAIN)
}

fn read_in(region: &FileRegion) {
    read_ahead(region, region.position);
    for at in ends(region) {
        let _there = rustix::io::pread(&*region.file, &mut [0], at);
    }
}

/// Has the system begin to read from a position on what a window and what is ahead of it take.
fn read_ahead(region: &FileRegion, position: u64) {
    let len = NonZeroU64::new(u64::from(region.len) + AHEAD_BYTES);
    let _hint = rustix::fs::fadvise(&*region.file, position, len, Advice::WillNeed);
}
