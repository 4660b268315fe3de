//! Buffers of large frames, kept for the frames that follow.
//!
//! A frame of a megabyte in fresh memory costs as much in page faults and growing as in copying it off the socket. What is
//! kept is bounded for all connections together, and was a peer's real bytes before: announcing a frame makes nobody
//! allocate.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{Bytes, BytesMut};

/// The least that a kept buffer holds; smaller ones cost next to nothing.
pub(crate) const LEAST_BYTES: usize = 64 * 1024;
/// All kept buffers together hold at most so much.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// A buffer holds at most so many times what it is taken for.
const WASTE: usize = 4;

/// The buffers that are in no use now. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct FrameBuffers(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// By rising capacity.
    buffers: Vec<BytesMut>,
    bytes: usize,
}

impl FrameBuffers {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no panic while buffers change hands")
    }

    /// An empty buffer with room for a frame of `bytes`, if one is at hand.
    pub(crate) fn take(&self, bytes: usize) -> Option<BytesMut> {
        let mut kept = self.lock();
        let at = kept.buffers.partition_point(|buffer| buffer.capacity() < bytes);
        if kept.buffers.get(at)?.capacity() > bytes.saturating_mul(WASTE) {
            return None;
        }
        let buffer = kept.buffers.remove(at);
        kept.bytes -= buffer.capacity();
        Some(buffer)
    }

    /// Makes a frame of a buffer, which comes back here with the last part of it.
    pub(crate) fn lend(&self, buffer: BytesMut) -> Bytes {
        Bytes::from_owner(Lent {
            buffer,
            home: self.clone(),
        })
    }

    fn give_back(&self, mut buffer: BytesMut) {
        if !(LEAST_BYTES..=KEPT_BYTES).contains(&buffer.capacity()) {
            return;
        }
        buffer.clear();
        let mut dropped = Vec::new();
        let mut kept = self.lock();
        let at = kept
            .buffers
            .partition_point(|other| other.capacity() < buffer.capacity());
        kept.bytes += buffer.capacity();
        kept.buffers.insert(at, buffer);
        // The small ones go: they fit fewer frames.
        while kept.bytes > KEPT_BYTES {
            let smallest = kept.buffers.remove(0);
            kept.bytes -= smallest.capacity();
            dropped.push(smallest);
        }
        drop(kept);
    }
}

#[derive(Debug)]
struct Lent {
    buffer: BytesMut,
    home: FrameBuffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn filled(buffers: &FrameBuffers, bytes: usize) -> Bytes {
        let mut buffer = buffers.take(bytes).unwrap_or_else(|| BytesMut::with_capacity(bytes));
        buffer.extend_from_slice(&vec![7; bytes]);
        buffers.lend(buffer)
    }

    #[test]
    fn a_buffer_comes_back_with_the_last_part_of_its_frame() {
        let buffers = FrameBuffers::default();
        let frame = filled(&buffers, MIB);
        let part = frame.slice(10..20);
        drop(frame);
        assert!(buffers.take(MIB).is_none(), "a part is in use");
        assert_eq!(part[..], [7; 10]);
        drop(part);
        let again = buffers.take(MIB - 1).unwrap();
        assert!(again.is_empty() && again.capacity() >= MIB);
        assert!(buffers.take(MIB).is_none());
    }

    #[test]
    fn what_is_kept_is_bounded_and_not_wasted_on_small_frames() {
        let buffers = FrameBuffers::default();
        let frames: Vec<_> = (0..40).map(|i| filled(&buffers, MIB + i)).collect();
        drop(frames);
        assert!(buffers.lock().bytes <= KEPT_BYTES && buffers.lock().bytes > KEPT_BYTES - 2 * MIB);
        assert!(buffers.take(MIB / 8).is_none());
        drop(filled(&buffers, KEPT_BYTES + 1));
        drop(filled(&buffers, LEAST_BYTES - 1));
        let kept = buffers.lock();
        assert!(
            kept.buffers
                .iter()
                .all(|buffer| (MIB..2 * MIB).contains(&buffer.capacity()))
        );
        assert_eq!(kept.bytes, kept.buffers.iter().map(BytesMut::capacity).sum::<usize>());
    }
}
