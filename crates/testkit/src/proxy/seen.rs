//! What clients sent, for tests to look at.

use std::time::Duration;

use bytes::Bytes;
use klamm_protocol::{ApiKey, Reader, Request, frame};
use tokio::sync::mpsc;

/// How long [`Requests::next`] waits before it panics.
const WAIT: Duration = Duration::from_secs(30);

/// A request as it arrived, before any fault befell it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The API.
    pub key: ApiKey,
    /// Its version.
    pub version: i16,
    /// The request's number on its connection.
    pub correlation_id: i32,
    /// The client's `client.id`.
    pub client_id: Option<String>,
    /// The connection's number, counted from 0 as clients connect to the proxy.
    pub connection: u64,
    /// The request without its header.
    pub body: Bytes,
}

impl Seen {
    /// Reads the header off a frame; `None` when it is no request in a version that is known here.
    pub(super) fn of(frame: &Bytes, connection: u64) -> Option<Self> {
        let mut reader = Reader::new(frame.clone());
        let (key, header) = frame::decode_request_header(&mut reader).ok()?;
        Some(Seen {
            key,
            version: header.request_api_version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
            connection,
            body: reader.rest(),
        })
    }

    /// The request itself, if it is an `R` and can be read.
    pub fn decode<R: Request>(&self) -> Option<R> {
        let body = || Reader::new(self.body.clone());
        (self.key == R::KEY).then(|| R::decode(&mut body(), self.version).ok())?
    }
}

/// The requests that came since this was made, in the order of their arrival. It keeps them until they are taken.
#[derive(Debug)]
pub struct Requests(pub(super) mpsc::UnboundedReceiver<Seen>);

impl Requests {
    /// The next request, waited for.
    ///
    /// # Panics
    /// When none has come after 30 s, or the proxy is gone.
    pub async fn next(&mut self) -> Seen {
        let next = tokio::time::timeout(WAIT, self.0.recv()).await;
        let next = next.unwrap_or_else(|_| panic!("no request has come in {WAIT:?}"));
        next.expect("the proxy outlives those who look at it")
    }

    /// The next request of this kind, waited for; others are passed over.
    ///
    /// # Panics
    /// As [`Requests::next`].
    pub async fn next_of<R: Request>(&mut self) -> R {
        loop {
            if let Some(request) = self.next().await.decode() {
                return request;
            }
        }
    }

    /// What has come already.
    pub fn drain(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}
