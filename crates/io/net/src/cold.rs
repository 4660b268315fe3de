//! File regions that are not in the system's cache: the disk is waited for on a thread that may wait, not by `sendfile` on one
//! of the runtime's, which would hold up all connections that it serves.

use std::num::NonZeroU64;

use rustix::fs::Advice;
use rustix::io::Errno;

use crate::segments::FileRegion;

/// As much of a region is looked at, and read ahead, at a time.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Has the first bytes of a region in the system's cache, and says how many. What follows them is read ahead if the disk had
/// to be asked: consumers that are far behind read on and on.
///
/// Looks at the first and the last of those bytes only; if others are missing, `sendfile` waits for them.
pub(crate) async fn bring_in(region: &FileRegion) -> u32 {
    let window = FileRegion {
        len: region.len.min(WINDOW_BYTES),
        ..region.clone()
    };
    let len = window.len;
    if !is_cached(&window) {
        // Whatever is wrong with the file shows when it is sent.
        let _ended = tokio::task::spawn_blocking(move || read_in(&window)).await;
    }
    len
}

/// The positions of the first and of the last byte.
fn ends(region: &FileRegion) -> [u64; 2] {
    [region.position, region.position + u64::from(region.len.max(1)) - 1]
}

fn is_cached(region: &FileRegion) -> bool {
    let is_missing = |at| region.read_cached(&mut [0], at) == Err(Errno::AGAIN);
    !ends(region).into_iter().any(is_missing)
}

fn read_in(region: &FileRegion) {
    let ahead = NonZeroU64::new(u64::from(region.len) + u64::from(WINDOW_BYTES));
    let _hint = rustix::fs::fadvise(&*region.file, region.position, ahead, Advice::WillNeed);
    for at in ends(region) {
        let _there = rustix::io::pread(&*region.file, &mut [0], at);
    }
}
