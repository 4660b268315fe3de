//! File regions that are not in the system's cache: the disk is waited for on a thread that may wait, not by `sendfile` on one
//! of the runtime's, which would hold up all connections that it serves.

use std::num::NonZeroU64;

use rustix::fs::Advice;
use rustix::io::Errno;

use crate::segments::FileRegion;

/// As much of a region is looked at at a time.
const WINDOW_BYTES: u32 = 1024 * 1024;
/// As much behind a window is read ahead if the disk has to be asked: consumers that are far behind read on and on.
const AHEAD_BYTES: u64 = 2 * WINDOW_BYTES as u64;

/// Has the first bytes of a region in the system's cache, and says how many; and what follows them, where the next fetch
/// looks for a batch before it can send anything, on one of the runtime's threads.
///
/// Looks at the first and the last of those bytes only; if others are missing, `sendfile` waits for them.
pub(crate) async fn bring_in(region: &FileRegion) -> u32 {
    let window = FileRegion {
        len: region.len.min(WINDOW_BYTES),
        ..region.clone()
    };
    let len = window.len;
    let end = end(&window);
    let needed = [window.position, end - 1, end];
    if needed.iter().any(|at| is_missing(&window, *at)) {
        let read_in = move || {
            read_ahead(&window);
            for at in needed {
                // Whatever is wrong with the file shows when it is sent.
                let _there = rustix::io::pread(&*window.file, &mut [0], at);
            }
        };
        let _ended = tokio::task::spawn_blocking(read_in).await;
    } else if is_missing(&window, end + AHEAD_BYTES / 2) {
        // Nobody waits for this yet. That it is asked for may wait, too, where the disk has much to do.
        drop(tokio::task::spawn_blocking(move || read_ahead(&window)));
    }
    len
}

/// Behind the last byte.
fn end(window: &FileRegion) -> u64 {
    window.position + u64::from(window.len.max(1))
}

/// Whether the disk would have to be asked for a byte. Behind the end of the file it would not.
fn is_missing(window: &FileRegion, at: u64) -> bool {
    window.read_cached(&mut [0], at) == Err(Errno::AGAIN)
}

fn read_ahead(window: &FileRegion) {
    let bytes = end(window) - window.position + AHEAD_BYTES;
    let _hint = rustix::fs::fadvise(&*window.file, window.position, NonZeroU64::new(bytes), Advice::WillNeed);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn what_the_next_fetch_looks_at_is_there_before_a_region_is_sent() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![7; 9 << 20]).unwrap();
        file.sync_data().unwrap();
        let mut region = FileRegion {
            file: Arc::new(file),
            position: 0,
            len: 3 << 20,
        };
        // A file system in memory keeps it all the same; then there is nothing to bring in.
        rustix::fs::fadvise(&*region.file, 0, None, Advice::DontNeed).unwrap();
        while region.len > 0 {
            let there = bring_in(&region).await;
            assert_eq!(there, WINDOW_BYTES);
            region.position += u64::from(there);
            region.len -= there;
            assert!(!is_missing(&region, region.position), "at {}", region.position);
            assert!(!is_missing(&region, region.position - 1), "before {}", region.position);
        }
    }

    #[tokio::test]
    async fn behind_the_end_of_a_file_nothing_is_missing() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 100]).unwrap();
        let region = FileRegion {
            file: Arc::new(file),
            position: 40,
            len: 60,
        };
        assert_eq!(bring_in(&region).await, 60);
        assert!(!is_missing(&region, 100) && !is_missing(&region, 5000));
    }
}
