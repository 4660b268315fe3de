//! The server's end of one connection: frames in, segments out, one after the other.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::buffers::LEAST_BYTES;
use crate::cold::bring_in;
use crate::idle::IdleClock;
use crate::listener::Accepted;
use crate::memory::{MemoryPermit, MemoryPool};
use crate::quotas::ConnectionSlot;
use crate::segments::Segment;
use crate::write::{WriteError, write_some};

/// What a read asks for when nothing is known of the next frame. Most requests fit.
const FIRST_READ_BYTES: usize = 4 * 1024;
/// The least that a larger frame's buffer has; beyond it the buffer is at most this many times what has arrived.
const LARGE_FRAME_BYTES: usize = LEAST_BYTES;
const GROWTH: usize = 4;
/// As much as is read ahead while a request is being served, only to notice that the peer has gone.
const READ_AHEAD_BYTES: usize = 8 * 1024;

/// Bounds of the connections of one listener.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// `socket.request.max.bytes`: a larger frame closes the connection.
    pub max_request_bytes: u32,
    /// `connections.max.idle.ms`; `None` never closes an idle connection.
    pub max_idle: Option<Duration>,
    /// `queued.max.request.bytes`, shared by all connections.
    pub memory: MemoryPool,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        ConnectionOptions {
            max_request_bytes: 100 * 1024 * 1024,
            max_idle: None,
            memory: MemoryPool::unbounded(),
        }
    }
}

/// One request as it came, without its size. Holds its share of the memory pool until dropped.
#[derive(Debug)]
pub struct Frame {
    /// Request header and body.
    pub bytes: Bytes,
    /// The frame's share of the pool.
    pub permit: MemoryPermit,
}

/// Why no further frame can be read from a connection.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The socket failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer closed the connection inside a frame.
    #[error("the peer closed the connection inside a frame, {received} bytes into it")]
    Truncated {
        /// Bytes that had arrived, the size included.
        received: usize,
    },
    /// The size is negative or larger than `socket.request.max.bytes`.
    #[error("invalid frame size {size}, the most is {max}{}", .protocol.map(|p| format!("; this looks like {p}")).unwrap_or_default())]
    InvalidSize {
        /// What the first four bytes say.
        size: i32,
        /// `socket.request.max.bytes`.
        max: u32,
        /// Another protocol that starts with these bytes.
        protocol: Option<&'static str>,
    },
    /// Nothing moved for `connections.max.idle.ms`.
    #[error("idle for too long")]
    Idle,
}

/// A connection that has been accepted.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    options: ConnectionOptions,
    buffer: BytesMut,
    permit: Option<MemoryPermit>,
    idle: IdleClock,
    _slot: ConnectionSlot,
}

impl Connection {
    /// Takes over an accepted socket.
    ///
    /// # Errors
    /// When the socket is gone already.
    pub fn new(accepted: Accepted, options: ConnectionOptions) -> io::Result<Self> {
        Ok(Connection {
            local: accepted.stream.local_addr()?,
            stream: accepted.stream,
            peer: accepted.peer,
            idle: IdleClock::new(options.max_idle),
            options,
            buffer: BytesMut::new(),
            permit: None,
            _slot: accepted.slot,
        })
    }

    /// Who is at the other end.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Our end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits for the next frame; `None` when the peer has closed the connection after a whole one. Cancel safe.
    ///
    /// # Errors
    /// See [`ReadError`]; the connection has to be dropped then.
    pub async fn read_frame(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(size) = self.announced_size()? {
                if self.permit.is_none() {
                    let reserved = tokio::select! {
                        permit = self.options.memory.reserve(size) => permit,
                        () = self.idle.expired() => return Err(ReadError::Idle),
                    };
                    self.permit = Some(reserved);
                }
                let end = 4 + size as usize;
                if self.buffer.len() >= end
                    && let Some(permit) = self.permit.take()
                {
                    let bytes = self.split_frame(end).slice(4..);
                    return Ok(Some(Frame { bytes, permit }));
                }
            }
            let limit = self.make_room();
            let read = tokio::select! {
                biased;
                read = read_some(&mut self.stream, &mut self.buffer, limit) => read?,
                () = self.idle.expired() => return Err(ReadError::Idle),
            };
            self.idle.touch();
            if read == 0 {
                return match self.buffer.len() {
                    0 => Ok(None),
                    received => Err(ReadError::Truncated { received }),
                };
            }
        }
    }

    /// Sends a frame made by [`assemble`](crate::assemble). Nothing of it is copied or queued: a peer that does not read
    /// holds up its own connection only.
    ///
    /// # Errors
    /// See [`WriteError`]; the connection has to be dropped then. So it has when this future is dropped half-way.
    pub async fn write(&mut self, mut segments: Vec<Segment>) -> Result<(), WriteError> {
        // The request may have been parked for longer than a connection may be idle.
        self.idle.touch();
        let mut cached = 0;
        while let Some(first) = segments.first() {
            if let (Segment::File(region), 0) = (first, cached) {
                cached = bring_in(region).await;
            }
            let sent_of_file = tokio::select! {
                biased;
                sent = write_some(&self.stream, &mut segments, cached) => sent?,
                () = self.idle.expired() => return Err(WriteError::Idle),
            };
            cached -= sent_of_file;
            self.idle.touch();
        }
        Ok(())
    }

    /// Resolves when the peer closes its end; for use beside a request that is being served. Reads ahead a little to notice:
    /// a peer that has sent much more behind its request is only found gone when its reply is written. Cancel safe.
    pub async fn closed(&mut self) {
        while self.buffer.len() < READ_AHEAD_BYTES {
            match read_some(&mut self.stream, &mut self.buffer, READ_AHEAD_BYTES).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        std::future::pending().await
    }

    /// The size of the frame at the head of the buffer, once its four bytes are there.
    fn announced_size(&self) -> Result<Option<u32>, ReadError> {
        let Some(&head) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let max = self.options.max_request_bytes;
        let size = i32::from_be_bytes(head);
        match u32::try_from(size) {
            Ok(valid) if valid <= max => Ok(Some(valid)),
            _ => Err(ReadError::InvalidSize {
                size,
                max,
                protocol: foreign_protocol(head),
            }),
        }
    }

    /// Takes the frame that ends at `end` off the buffer. A large one is all that there is: reads end where it does.
    fn split_frame(&mut self, end: usize) -> Bytes {
        if end >= LARGE_FRAME_BYTES && self.buffer.len() == end {
            return self.options.memory.buffers.lend(std::mem::take(&mut self.buffer));
        }
        self.buffer.split_to(end).freeze()
    }

    /// How long the buffer may become with the next read, in bytes. A large frame goes to a buffer of a former one, if there
    /// is one that it fits.
    fn make_room(&mut self) -> usize {
        let Ok(Some(size)) = self.announced_size() else {
            return FIRST_READ_BYTES;
        };
        let end = 4 + size as usize;
        if end >= LARGE_FRAME_BYTES
            && self.buffer.capacity() < end
            && let Some(mut kept) = self.options.memory.buffers.take(end)
        {
            kept.extend_from_slice(&self.buffer);
            self.buffer = kept;
        }
        match self.buffer.capacity() >= end {
            true => end.max(self.buffer.len() + 1),
            false => buffer_limit(self.buffer.len(), size),
        }
    }
}

/// How large a buffer may be that holds `received` bytes of a frame of `size`: a peer gets memory for what it sends, not for
/// what it announces.
fn buffer_limit(received: usize, size: u32) -> usize {
    let end = 4 + size as usize;
    end.min((received * GROWTH).max(LARGE_FRAME_BYTES)).max(received + 1)
}

/// Waits for bytes and reads once, up to a buffer of `limit` bytes. An empty buffer holds no memory while it waits. Cancel safe.
async fn read_some(stream: &mut TcpStream, buffer: &mut BytesMut, limit: usize) -> io::Result<usize> {
    if buffer.is_empty() {
        *buffer = BytesMut::new();
    }
    let most = limit.saturating_sub(buffer.len()).max(1);
    poll_fn(|cx| {
        loop {
            ready!(stream.poll_read_ready(cx))?;
            buffer.reserve(most);
            let mut room = (&mut *buffer).limit(most);
            // Not `try_read_buf`: after a short read, `poll_read` knows that the socket is drained and saves the call that would tell.
            if let Poll::Ready(outcome) = pin!(stream.read_buf(&mut room)).poll(cx) {
                return Poll::Ready(outcome);
            }
        }
    })
    .await
}

fn foreign_protocol(head: [u8; 4]) -> Option<&'static str> {
    match &head {
        [0x16, 0x03, ..] => Some("TLS"),
        b"GET " | b"POST" | b"PUT " | b"HEAD" | b"OPTI" | b"DELE" => Some("HTTP"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_announced_and_not_sent_costs_next_to_nothing() {
        let size = 100 << 20;
        assert_eq!(buffer_limit(4, size), LARGE_FRAME_BYTES);
        assert_eq!(buffer_limit(LARGE_FRAME_BYTES, size), GROWTH * LARGE_FRAME_BYTES);
        assert_eq!(
            buffer_limit(60 << 20, size),
            4 + (100 << 20),
            "never more than the frame"
        );
        assert_eq!(buffer_limit(4, 10), 14);
        assert_eq!(buffer_limit(20, 10), 21, "frames behind this one may be there already");
    }
}
