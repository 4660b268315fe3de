//! Replies as they come in.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Room for small replies; several of them come in one read.
const ROOM: usize = 64 * 1024;

/// With less room than this, a read is not worth its system call.
const LITTLE: usize = 4 * 1024;

/// Room is made at once for a reply up to this size. The memory for a larger one doubles as it arrives, so that a size alone
/// takes up little.
const TRUSTED: usize = 16 << 20;

/// The bytes that arrived and belong to no reply yet.
pub(super) struct Inbox {
    buffer: BytesMut,
    max_reply_bytes: usize,
}

/// A size that no reply has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidSize(pub(super) i32);

impl Inbox {
    pub(super) fn new(max_reply_bytes: usize) -> Inbox {
        Inbox {
            buffer: BytesMut::new(),
            max_reply_bytes,
        }
    }

    /// Reads once. Cancel safe: what was read is in the buffer.
    pub(super) async fn fill(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        if self.buffer.capacity() - self.buffer.len() < LITTLE {
            self.buffer.reserve(ROOM);
        }
        stream.read_buf(&mut self.buffer).await
    }

    /// Whether part of a reply has arrived.
    pub(super) fn is_within_reply(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next whole reply, without its size: a slice of the buffer.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, InvalidSize> {
        let Some(size) = self.buffer.first_chunk().map(|size| i32::from_be_bytes(*size)) else {
            return Ok(None);
        };
        let length = usize::try_from(size)
            .ok()
            .filter(|length| *length <= self.max_reply_bytes);
        let length = length.ok_or(InvalidSize(size))?;
        let missing = (4 + length).saturating_sub(self.buffer.len());
        if missing > 0 {
            // With room behind the reply, so that its end is not moved for the sake of the next one.
            self.buffer.reserve(missing.min(TRUSTED.max(self.buffer.len())) + ROOM);
            return Ok(None);
        }
        self.buffer.advance(4);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn filled(bytes: &[u8], limit: usize) -> Inbox {
        let mut inbox = Inbox::new(limit);
        inbox.fill(&mut &bytes[..]).await.expect("memory can be read");
        inbox
    }

    #[tokio::test]
    async fn several_replies_come_out_of_one_read() {
        let mut inbox = filled(&[0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 3, 9], 10).await;
        assert_eq!(inbox.next(), Ok(Some(Bytes::from_static(&[7, 8]))));
        assert_eq!(inbox.next(), Ok(Some(Bytes::new())));
        assert_eq!(inbox.next(), Ok(None));
        assert!(inbox.is_within_reply());
        inbox.fill(&mut &[10, 11][..]).await.expect("memory can be read");
        assert_eq!(inbox.next(), Ok(Some(Bytes::from_static(&[9, 10, 11]))));
        assert!(!inbox.is_within_reply());
    }

    #[tokio::test]
    async fn sizes_beyond_the_limit_and_below_zero_are_refused() {
        assert_eq!(filled(&[0, 0, 0, 11], 10).await.next(), Err(InvalidSize(11)));
        assert_eq!(filled(&[0xff; 4], 10).await.next(), Err(InvalidSize(-1)));
        assert_eq!(filled(&[0x7f, 0xff, 0xff], 10).await.next(), Ok(None));
    }

    #[tokio::test]
    async fn a_reply_larger_than_all_buffers_arrives_whole() {
        let length = TRUSTED + TRUSTED / 2;
        let mut sent = (length as i32).to_be_bytes().to_vec();
        sent.extend((0..length).map(|place| place as u8));
        sent.extend([0, 0, 0, 1, 42]);
        let mut inbox = Inbox::new(usize::MAX);
        let (mut stream, mut replies) = (&sent[..], Vec::new());
        while inbox.fill(&mut stream).await.expect("memory can be read") > 0 {
            while let Some(reply) = inbox.next().expect("sizes are right") {
                replies.push(reply);
            }
        }
        assert_eq!(replies.iter().map(Bytes::len).collect::<Vec<_>>(), [length, 1]);
        assert!(replies[0].iter().enumerate().all(|(place, byte)| *byte == place as u8));
    }

    #[tokio::test]
    async fn a_size_alone_takes_up_little_memory() {
        let mut inbox = filled(&[0x7f, 0xff, 0xff, 0xff], usize::MAX).await;
        assert_eq!(inbox.next(), Ok(None));
        assert!(inbox.buffer.capacity() <= TRUSTED + 2 * ROOM);
    }
}
