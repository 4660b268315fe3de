//! Requests as they go out.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::Error;

/// Pieces in one system call.
const SLICES: usize = 64;

/// Who waits for a request without a reply to be written, and until when.
pub(super) struct Awaiting {
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) reply: oneshot::Sender<Result<Bytes, Error>>,
}

/// A piece of a request; the last one of a request without a reply tells that it is written.
struct Piece {
    bytes: Bytes,
    written: Option<Awaiting>,
}

/// What has still to be written.
#[derive(Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Pieces that wait.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Adds a request, with whom to tell when it is written.
    pub(super) fn push(&mut self, pieces: Vec<Bytes>, written: Option<Awaiting>) {
        let pieces = pieces.into_iter().filter(|bytes| !bytes.is_empty());
        self.pieces.extend(pieces.map(|bytes| Piece { bytes, written: None }));
        if let Some(last) = self.pieces.back_mut() {
            last.written = written;
        }
    }

    /// Writes once, many requests together. Cancel safe: what was written is gone from here.
    pub(super) async fn drain(&mut self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = IoSlice::new(&piece.bytes);
            count += 1;
        }
        let written = stream.write_vectored(&slices[..count]).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.advance(written);
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.pieces.front_mut() {
            if first.bytes.len() > written {
                first.bytes.advance(written);
                return;
            }
            written -= first.bytes.len();
            if let Some(waiting) = self.pieces.pop_front().and_then(|piece| piece.written) {
                // Nobody may be waiting any more.
                let _ = waiting.reply.send(Ok(Bytes::new()));
            }
        }
    }

    /// Tells those who wait for a write that it won't happen.
    pub(super) fn fail(&mut self, error: &Error) {
        for waiting in self.pieces.drain(..).filter_map(|piece| piece.written) {
            let _ = waiting.reply.send(Err(error.clone()));
        }
    }

    /// When the first request that has to be written runs out of time.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.awaiting().map(|awaiting| awaiting.deadline).min()
    }

    /// The time that a request had which is still not written at its deadline.
    pub(super) fn expired(&self, now: Instant) -> Option<Duration> {
        let late = self.awaiting().find(|awaiting| awaiting.deadline <= now);
        late.map(|awaiting| awaiting.timeout)
    }

    fn awaiting(&self) -> impl Iterator<Item = &Awaiting> {
        self.pieces.iter().filter_map(|piece| piece.written.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn requests_go_out_in_order_whatever_a_write_takes() {
        let mut outbox = Outbox::default();
        let (reply, mut written) = oneshot::channel();
        let timeout = Duration::from_secs(1);
        let awaiting = Awaiting {
            deadline: Instant::now() + timeout,
            timeout,
            reply,
        };
        let pieces = vec![Bytes::from_static(b"ab"), Bytes::new(), Bytes::from_static(b"cde")];
        outbox.push(pieces, Some(awaiting));
        outbox.push(vec![Bytes::from_static(b"fg")], None);
        assert_eq!(outbox.expired(Instant::now()), None);
        assert_eq!(outbox.expired(Instant::now() + timeout), Some(timeout));
        let (mut near, mut far) = tokio::io::duplex(3);
        let mut arrived = Vec::new();
        let mut told_at = None;
        while !outbox.is_empty() {
            outbox.drain(&mut near).await.expect("the pipe is open");
            let mut part = [0; 3];
            let count = far.read(&mut part).await.expect("the pipe is open");
            arrived.extend_from_slice(&part[..count]);
            if told_at.is_none() && written.try_recv().is_ok() {
                told_at = Some(arrived.len());
            }
        }
        assert_eq!(arrived, b"abcdefg");
        assert!(matches!(told_at, Some(5..=7)), "{told_at:?}");
    }
}
