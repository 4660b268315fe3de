//! The node's allocator, which counts how often it is asked for memory.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicU64, Ordering};

use mimalloc::MiMalloc;

#[derive(Debug)]
pub(crate) struct Counting {
    count: AtomicU64,
}

impl Counting {
    pub(crate) const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
        }
    }

    /// Allocations and reallocations of all threads since the start.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: every call goes on to mimalloc as it came, and what mimalloc returns goes back as it is.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.add();
        // SAFETY: the caller's promise is the one that mimalloc asks for.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above, and `pointer` is mimalloc's.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.add();
        // SAFETY: as in `alloc`.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.add();
        // SAFETY: as in `dealloc`.
        unsafe { MiMalloc.realloc(pointer, layout, new_size) }
    }
}
