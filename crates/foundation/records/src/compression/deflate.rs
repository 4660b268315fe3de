//! Raw deflate (RFC 1951) by libdeflate, which takes a whole stream at once.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use libdeflate_sys as sys;

/// What came of decompressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inflated {
    /// The stream, which took so many bytes, became so many.
    Whole { consumed: usize, produced: usize },
    /// There is more than there is room for.
    NoRoom,
    /// It is no deflate stream, or ends too early.
    Broken,
}

/// A decompressor: memory for its tables.
pub(super) struct Inflater(NonNull<sys::libdeflate_decompressor>);

impl Inflater {
    pub(super) fn new() -> Self {
        // SAFETY: it takes nothing and returns memory of its own, or null.
        let handle = unsafe { sys::libdeflate_alloc_decompressor() };
        Self(NonNull::new(handle).expect("memory for a decompressor"))
    }

    /// Decompresses the stream at the front of `input` to the front of `out`.
    pub(super) fn inflate(&mut self, input: &[u8], out: &mut [u8]) -> Inflated {
        let (mut consumed, mut produced) = (0, 0);
        // SAFETY: the handle is alive, and nobody else uses it meanwhile; it reads `input.len()` bytes of `input`, writes
        // at most `out.len()` bytes of `out` and the two numbers, and keeps no pointer.
        let result = unsafe {
            sys::libdeflate_deflate_decompress_ex(
                self.0.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                out.as_mut_ptr().cast(),
                out.len(),
                &mut consumed,
                &mut produced,
            )
        };
        match result {
            sys::libdeflate_result_LIBDEFLATE_SUCCESS => Inflated::Whole { consumed, produced },
            sys::libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE => Inflated::NoRoom,
            _ => Inflated::Broken,
        }
    }
}

impl Drop for Inflater {
    fn drop(&mut self) {
        // SAFETY: the handle was made in `new` and is freed only here.
        unsafe { sys::libdeflate_free_decompressor(self.0.as_ptr()) }
    }
}

// SAFETY: the handle points to memory that only its owner reaches and that belongs to no thread.
unsafe impl Send for Inflater {}

/// A compressor of one level.
pub(super) struct Deflater(NonNull<sys::libdeflate_compressor>);

impl Deflater {
    /// `level`: the library's, 0 to 12.
    pub(super) fn new(level: i32) -> Self {
        // SAFETY: it takes a number and returns memory of its own, or null.
        let handle = unsafe { sys::libdeflate_alloc_compressor(level) };
        Self(NonNull::new(handle).expect("a level that there is, and memory for it"))
    }

    /// Most bytes that so many become.
    pub(super) fn bound(&mut self, length: usize) -> usize {
        // SAFETY: the handle is alive.
        unsafe { sys::libdeflate_deflate_compress_bound(self.0.as_ptr(), length) }
    }

    /// Compresses `input` to the front of `out` and returns how much it became; `None`: there is no room for it.
    pub(super) fn deflate(&mut self, input: &[u8], out: &mut [u8]) -> Option<usize> {
        // SAFETY: the handle is alive, and nobody else uses it meanwhile; it reads `input.len()` bytes of `input`, writes
        // at most `out.len()` bytes of `out`, and keeps no pointer.
        let length = unsafe {
            sys::libdeflate_deflate_compress(
                self.0.as_ptr(),
                input.as_ptr().cast(),
                input.len(),
                out.as_mut_ptr().cast(),
                out.len(),
            )
        };
        (length > 0).then_some(length)
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        // SAFETY: the handle was made in `new` and is freed only here.
        unsafe { sys::libdeflate_free_compressor(self.0.as_ptr()) }
    }
}

// SAFETY: as for `Inflater`.
unsafe impl Send for Deflater {}
