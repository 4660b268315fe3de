//! File regions that are not in the system's cache: the disk is waited for on a thread that may wait, not by `sendfile` on one
//! of the runtime's, which would hold up all connections that it serves.

use std::num::NonZeroU64;
use std::ops::Range;

use rustix::fs::Advice;
use rustix::io::Errno;

use crate::segments::FileRegion;

/// As much of a region is looked at, and sent, at a time. Files are read ahead in blocks of this size.
const WINDOW_BYTES: u32 = 1024 * 1024;
const BLOCK: u64 = WINDOW_BYTES as u64;
/// So many blocks are read ahead of a reader that comes to what is not in memory.
const BLOCKS_AHEAD: u64 = 4;
/// Linux takes no more of one request to read ahead, on most machines.
const HINT_BYTES: u64 = 128 * 1024;

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
    let next = end(&window) / BLOCK;
    if !ends(&window).into_iter().all(|at| is_cached(&window, at)) {
        // Whatever is wrong with the file shows when it is sent.
        let _ended = tokio::task::spawn_blocking(move || read_in(&window)).await;
    } else if window.position / BLOCK != next && !is_cached(&window, (next + BLOCKS_AHEAD) * BLOCK) {
        // The reader came to another block: one more is read ahead. To ask can take its time, too.
        let ahead = (next + BLOCKS_AHEAD) * BLOCK;
        tokio::task::spawn_blocking(move || read_ahead(&window, ahead..ahead + BLOCK));
    }
    len
}

fn end(region: &FileRegion) -> u64 {
    region.position + u64::from(region.len)
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
    // What is read ahead is decided here: on its own the system reads as much as the device is set to at once (8 MiB on some
    // machines, 2 ms), on the runtime's thread that looks whether something is in memory.
    let _hint = rustix::fs::fadvise(&*region.file, 0, None, Advice::Random);
    let block_behind = end(region) / BLOCK + BLOCKS_AHEAD + 1;
    read_ahead(region, region.position..block_behind * BLOCK);
    for at in ends(region) {
        let _there = rustix::io::pread(&*region.file, &mut [0], at);
    }
}

/// Has the system begin to read a part of a region's file.
fn read_ahead(region: &FileRegion, part: Range<u64>) {
    for at in part.clone().step_by(HINT_BYTES as usize) {
        let hinted = NonZeroU64::new(HINT_BYTES.min(part.end - at));
        let _hint = rustix::fs::fadvise(&*region.file, at, hinted, Advice::WillNeed);
    }
}
