//! The client's end of a connection: one request at a time, its reply matched by correlation id.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use klamm_protocol::headers::ResponseHeader;
use klamm_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse};
use klamm_protocol::{ApiKey, DecodeError, EncodeError, Message, Reader, Request, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, ToSocketAddrs};

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The id in each request's header.
    pub client_id: String,
    /// How long to wait for a connection, and for each reply.
    pub timeout: Duration,
    /// A larger reply is refused.
    pub max_reply_bytes: u32,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            client_id: "klamm".to_owned(),
            timeout: Duration::from_secs(30),
            max_reply_bytes: i32::MAX as u32,
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Refused, unreachable or unknown.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Nothing answered in time.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
}

/// Why a call has no reply.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request can't be said in this version; nothing was sent.
    #[error("the request does not fit its version: {0}")]
    Encode(#[from] EncodeError),
    /// The socket failed, or the node closed it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The reply did not come in time. It may still come, so the connection is of no more use.
    #[error("no reply within {0:?}")]
    TimedOut(Duration),
    /// The reply belongs to another request.
    #[error("the reply's correlation id is {actual}, not {expected}")]
    Correlation {
        /// What was sent.
        expected: i32,
        /// What came back.
        actual: i32,
    },
    /// The reply can't be read.
    #[error("unreadable reply: {0}")]
    Decode(#[from] DecodeError),
    /// The reply goes on after its last field.
    #[error("{0} bytes are left after the reply")]
    Trailing(usize),
    /// The reply's size is negative or too large.
    #[error("invalid reply size {0}")]
    InvalidSize(i32),
    /// The node offers no version that we know of this API; nothing was sent.
    #[error("the node offers no version of {0:?} that fits")]
    Unsupported(ApiKey),
    /// An earlier call failed half-way.
    #[error("the connection is broken by an earlier error")]
    Broken,
}

/// A connection to one node.
///
/// Calls are sequential: [`Client::call`] takes `&mut self` and returns with the reply. After an error other than
/// [`CallError::Encode`] or [`CallError::Unsupported`] every further call is [`CallError::Broken`]: connect again.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    options: ClientOptions,
    correlation_id: i32,
    offered: Option<ApiVersionsResponse>,
    broken: bool,
}

impl Client {
    /// Connects with the default options.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Client, ConnectError> {
        Client::connect_with(address, ClientOptions::default()).await
    }

    /// Connects.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect_with(address: impl ToSocketAddrs, options: ClientOptions) -> Result<Client, ConnectError> {
        let timeout = options.timeout;
        let connecting = tokio::time::timeout(timeout, TcpStream::connect(address));
        let stream = connecting.await.map_err(|_| ConnectError::TimedOut(timeout))??;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            options,
            correlation_id: 0,
            offered: None,
            broken: false,
        })
    }

    /// Our own address on this connection.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends one request in `version` and waits for its reply. Not cancel safe: a dropped call breaks the connection.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Response, CallError> {
        self.send(request, version).await?;
        self.receive::<R>(version).await
    }

    /// Sends one request in the newest version that both sides know; asks for the node's versions the first time.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_newest<R: Request>(&mut self, request: &R) -> Result<R::Response, CallError> {
        let version = self.newest_version::<R>().await?;
        self.call(request, version).await
    }

    /// The newest version of an API that both sides know; asks for the node's versions the first time.
    ///
    /// # Errors
    /// [`CallError::Unsupported`] when there is none.
    pub async fn newest_version<R: Request>(&mut self) -> Result<i16, CallError> {
        let offered = match self.offered.take() {
            Some(offered) => offered,
            None => self.call(&ApiVersionsRequest::default(), 0).await?,
        };
        let range = offered.api_keys.iter().find(|api| api.api_key == R::KEY.id());
        let newest = range.map(|api| (api.min_version, api.max_version.min(R::MAX_VERSION)));
        self.offered = Some(offered);
        match newest {
            Some((min, newest)) if newest >= min.max(R::MIN_VERSION) => Ok(newest),
            _ => Err(CallError::Unsupported(R::KEY)),
        }
    }

    /// Sends one request without waiting; replies come in the order of the requests. For requests that have none
    /// (Produce with acks=0) and for tests of pipelining.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<(), CallError> {
        if self.broken {
            return Err(CallError::Broken);
        }
        let correlation_id = self.correlation_id.wrapping_add(1);
        let frame = frame::encode_request(correlation_id, Some(&self.options.client_id), version, request)?;
        self.correlation_id = correlation_id;
        assert!(frame.external.is_empty(), "a request's records are in memory");
        self.send_raw(&frame.bytes).await
    }

    /// Reads the reply to the oldest request that has none yet, if that was the latest one sent.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn receive<R: Request>(&mut self, version: i16) -> Result<R::Response, CallError> {
        let expected = self.correlation_id;
        let (actual, response) = self.receive_any::<R>(version).await?;
        if actual != expected {
            self.broken = true;
            return Err(CallError::Correlation { expected, actual });
        }
        Ok(response)
    }

    /// Reads the next reply and the correlation id that it carries.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn receive_any<R: Request>(&mut self, version: i16) -> Result<(i32, R::Response), CallError> {
        let frame = self.receive_frame().await?;
        let mut reader = Reader::new(frame);
        let header = ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version))?;
        let response = R::Response::decode(&mut reader, version)?;
        match reader.remaining() {
            0 => Ok((header.correlation_id, response)),
            left => Err(CallError::Trailing(left)),
        }
    }

    /// Sends bytes as one frame: their length, then themselves.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send_frame(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        let size = i32::try_from(bytes.len()).map_err(|_| CallError::InvalidSize(i32::MAX))?;
        let mut frame = BytesMut::with_capacity(4 + bytes.len());
        frame.extend_from_slice(&size.to_be_bytes());
        frame.extend_from_slice(bytes);
        self.send_raw(&frame).await
    }

    /// Sends bytes as they are, a frame or not.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn send_raw(&mut self, bytes: &[u8]) -> Result<(), CallError> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(CallError::Broken);
        }
        let timeout = self.options.timeout;
        tokio::time::timeout(timeout, self.stream.write_all(bytes))
            .await
            .map_err(|_| CallError::TimedOut(timeout))??;
        self.broken = false;
        Ok(())
    }

    /// Reads the next frame, without its length.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn receive_frame(&mut self) -> Result<Bytes, CallError> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(CallError::Broken);
        }
        let timeout = self.options.timeout;
        let bytes = tokio::time::timeout(timeout, self.read_frame())
            .await
            .map_err(|_| CallError::TimedOut(timeout))??;
        self.broken = false;
        Ok(bytes)
    }

    async fn read_frame(&mut self) -> Result<Bytes, CallError> {
        let size = self.stream.read_i32().await?;
        let length = u32::try_from(size)
            .ok()
            .filter(|length| *length <= self.options.max_reply_bytes);
        let length = length.ok_or(CallError::InvalidSize(size))?;
        let mut bytes = BytesMut::new();
        let mut rest = (&mut self.stream).take(u64::from(length));
        // Grows with what arrives: a length alone is no reason to hold memory.
        while rest.limit() > 0 {
            if rest.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(bytes.freeze())
    }
}
