//! Requests that are under way.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use klamm_protocol::{Message, Request, frame};
use tokio::sync::oneshot;

use crate::Error;

/// A request that has its place on the wire. Dropped, its reply is thrown away.
#[derive(Debug)]
#[must_use = "the reply has to be waited for"]
pub(crate) struct InFlight<R> {
    pub(super) version: i16,
    pub(super) label: Arc<str>,
    pub(super) reply: oneshot::Receiver<Result<Bytes, Error>>,
    pub(super) request: PhantomData<fn() -> R>,
}

impl<R: Request> InFlight<R> {
    /// Waits for the reply.
    pub(crate) async fn response(self) -> Result<(i16, R::Response), Error> {
        let (version, label) = (self.version, self.label.clone());
        let frame = self.bytes().await?;
        let (_, response) = frame::decode_response(frame, version).map_err(|error| Error::Protocol {
            address: label.to_string(),
            reason: format!("{} version {version}: {error}", R::Response::NAME),
        })?;
        Ok((version, response))
    }

    /// Waits until the request is written; for one that is not answered.
    pub(crate) async fn written(self) -> Result<(), Error> {
        self.bytes().await.map(drop)
    }

    async fn bytes(self) -> Result<Bytes, Error> {
        match self.reply.await {
            Ok(Err(Error::TimedOut { after, last, .. })) => Err(Error::TimedOut {
                what: R::KEY.name().to_owned(),
                after,
                last,
            }),
            Ok(result) => result,
            // Only when the runtime is shutting down.
            Err(_) => Err(Error::Unreachable {
                address: self.label.to_string(),
                reason: "the connection's task has ended".to_owned(),
            }),
        }
    }
}
