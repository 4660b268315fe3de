//! Sends segments: memory with one vectored call for many of them, files with `sendfile`.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use rustix::net::{SendAncillaryBuffer, SendFlags};
use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::segments::{FileRegion, Segment};

/// As many pieces of memory as go out with one call.
const MAX_SLICES: usize = 64;
/// Up to this many bytes wait for the file region behind them. More could fill a small send buffer with less than a
/// packet, which the system would then hold back for a fifth of a second.
const MAX_HELD_BYTES: usize = 4 * 1024;

/// Why a response could not be sent; the connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The socket failed, most often because the peer has gone.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The peer took nothing for as long as a connection may be idle.
    #[error("the peer read nothing for too long")]
    Idle,
    /// The file ended inside the region; the frame can't be completed.
    #[error("a file region ended {missing} bytes early")]
    FileTooShort {
        /// Bytes of the region that are not in the file.
        missing: u32,
    },
}

/// Sends what fits of the first segments and drops what was sent from them; of a file's region at most `cached` bytes. Says
/// how many of a region were sent.
pub(crate) async fn write_some(
    stream: &TcpStream,
    segments: &mut Vec<Segment>,
    cached: u32,
) -> Result<u32, WriteError> {
    let (sent, of_file) = match &segments[0] {
        Segment::Bytes(_) => {
            let sent = stream.async_io(Interest::WRITABLE, || send_memory(stream, segments));
            (sent.await?, 0)
        }
        Segment::File(region) => {
            let sent = stream.async_io(Interest::WRITABLE, || send_file(stream, region, cached));
            let sent = sent.await?;
            (sent, u32::try_from(sent).expect("no more than was asked for"))
        }
    };
    if sent == 0 {
        return Err(match &segments[0] {
            Segment::File(region) => WriteError::FileTooShort { missing: region.len },
            Segment::Bytes(_) => io::Error::from(io::ErrorKind::WriteZero).into(),
        });
    }
    advance(segments, sent);
    Ok(of_file)
}

fn send_memory(stream: &TcpStream, segments: &[Segment]) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let (mut count, mut len) = (0, 0);
    for (slot, bytes) in slices.iter_mut().zip(segments.iter().map_while(memory)) {
        *slot = IoSlice::new(bytes);
        count += 1;
        len += bytes.len();
    }
    let mut flags = SendFlags::NOSIGNAL;
    if len <= MAX_HELD_BYTES && matches!(segments.get(count), Some(Segment::File(_))) {
        // The header of a file region does not travel in a packet of its own.
        flags |= SendFlags::MORE;
    }
    let mut ancillary = SendAncillaryBuffer::default();
    Ok(rustix::net::sendmsg(stream, &slices[..count], &mut ancillary, flags)?)
}

fn memory(segment: &Segment) -> Option<&Bytes> {
    match segment {
        Segment::Bytes(bytes) => Some(bytes),
        Segment::File(_) => None,
    }
}

fn send_file(stream: &TcpStream, region: &FileRegion, most: u32) -> io::Result<usize> {
    let mut position = region.position;
    Ok(rustix::fs::sendfile(
        stream,
        &*region.file,
        Some(&mut position),
        region.len.min(most) as usize,
    )?)
}

fn advance(segments: &mut Vec<Segment>, mut sent: usize) {
    let mut done = 0;
    for segment in segments.iter_mut() {
        if sent < segment.len() {
            match segment {
                Segment::Bytes(bytes) => bytes.advance(sent),
                Segment::File(region) => {
                    region.position += sent as u64;
                    region.len -= u32::try_from(sent).expect("sent is below the region's length");
                }
            }
            break;
        }
        sent -= segment.len();
        done += 1;
    }
    segments.drain(..done);
}
