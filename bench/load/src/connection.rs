//! A connection over which frames travel as they are.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A broker that says nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Asked of the system at once.
const READ: usize = 64 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    received: BytesMut,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Connection, String> {
        let failed = |error| format!("{address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(Connection {
            stream,
            received: BytesMut::new(),
        })
    }

    /// Sends a frame that begins with its size.
    pub(crate) async fn send(&mut self, frame: &[u8]) -> Result<(), String> {
        let sent = tokio::time::timeout(PATIENCE, self.stream.write_all(frame)).await;
        sent.map_err(|_| "the broker does not read".to_owned())?
            .map_err(|error| error.to_string())
    }

    /// The next frame, without its size.
    pub(crate) async fn receive(&mut self) -> Result<Bytes, String> {
        self.fill(4).await?;
        let size = i32::from_be_bytes([self.received[0], self.received[1], self.received[2], self.received[3]]);
        let size = usize::try_from(size).map_err(|_| format!("a frame of {size} bytes"))?;
        self.fill(4 + size).await?;
        self.received.advance(4);
        Ok(self.received.split_to(size).freeze())
    }

    async fn fill(&mut self, bytes: usize) -> Result<(), String> {
        while self.received.len() < bytes {
            let missing = bytes - self.received.len();
            self.received.reserve(missing.max(READ));
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.received)).await;
            let read = read
                .map_err(|_| "the broker does not answer".to_owned())?
                .map_err(|error| error.to_string())?;
            if read == 0 {
                return Err("the broker closed the connection".to_owned());
            }
        }
        Ok(())
    }
}
