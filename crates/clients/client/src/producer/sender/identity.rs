//! Where the producer id comes from.

use std::future::Future;
use std::pin::Pin;

use klamm_protocol::messages::InitProducerIdRequest;
use tokio::time::Instant;

use super::{Sender, finish};
use crate::connection::backoff::Backoff;
use crate::producer::SendError;
use crate::producer::delivery::Outcome;
use crate::producer::sequences::Identity;
use crate::{Client, Error};

type Asking = Pin<Box<dyn Future<Output = Result<Identity, Error>> + Send>>;

/// The producer's identity, or the way to it.
pub(super) struct IdentitySource {
    current: Option<Identity>,
    wanted: bool,
    asking: Option<Asking>,
    failures: u32,
    not_before: Option<Instant>,
}

impl IdentitySource {
    /// Nothing is asked until there is a record to send.
    pub(super) fn new() -> IdentitySource {
        IdentitySource {
            current: None,
            wanted: false,
            asking: None,
            failures: 0,
            not_before: None,
        }
    }

    pub(super) fn current(&self) -> Option<Identity> {
        self.current
    }

    /// Asks for one, unless it is there.
    pub(super) fn want(&mut self) {
        self.wanted = self.current.is_none();
    }

    /// Asks for another, because the latest one's epochs are used up.
    pub(super) fn use_up(&mut self) {
        self.current = None;
        self.wanted = true;
    }

    /// When to ask.
    pub(super) fn due(&self) -> Option<Instant> {
        let asks = self.wanted && self.asking.is_none();
        asks.then(|| self.not_before.unwrap_or_else(Instant::now))
    }

    pub(super) fn ask(&mut self, now: Instant, client: &Client) {
        let early = self.not_before.is_some_and(|at| at > now);
        if self.wanted && self.asking.is_none() && !early {
            self.asking = Some(Box::pin(init_producer_id(client.clone())));
        }
    }

    /// Takes over an answer. After any error it is not asked again at once, since batches that were sent before may go
    /// on to want an identity; after one that will not pass by itself, only if somebody wants it still.
    fn settle(&mut self, answer: &Result<Identity, Error>, now: Instant, retry: &Backoff) {
        match answer {
            Ok(identity) => *self = IdentitySource::having(*identity),
            Err(error) => {
                self.wanted = error.is_retriable();
                self.not_before = Some(now + retry.after(self.failures));
                self.failures = self.failures.saturating_add(1);
            }
        }
    }

    pub(super) fn having(identity: Identity) -> IdentitySource {
        IdentitySource {
            current: Some(identity),
            ..IdentitySource::new()
        }
    }

    /// The answer, when there is one.
    pub(super) async fn answer(&mut self) -> Result<Identity, Error> {
        let Some(asking) = &mut self.asking else {
            return std::future::pending().await;
        };
        let answer = asking.await;
        self.asking = None;
        answer
    }
}

impl Sender {
    pub(super) fn on_identity(&mut self, answer: Result<Identity, Error>) {
        self.identity
            .settle(&answer, Instant::now(), &self.shared.options.retry);
        match answer {
            Ok(identity) => tracing::debug!(?identity, "the producer has its id"),
            Err(error) if error.is_retriable() => tracing::debug!(%error, "no producer id yet"),
            Err(error) => self.fail_waiting(&SendError::from(error)),
        }
    }

    /// Fails what has not been sent yet.
    fn fail_waiting(&mut self, error: &SendError) {
        let mut batches = Vec::new();
        {
            let mut state = self.shared.accumulator.lock();
            for index in 0..state.active.len() {
                let place = state.active[index];
                while let Some(batch) = state.pop(place) {
                    batches.push(batch);
                }
            }
            state.retain_active();
        }
        for batch in batches {
            finish(&self.shared, &batch, Outcome::Failed(error.clone()));
        }
    }
}

async fn init_producer_id(client: Client) -> Result<Identity, Error> {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let response = client.call_any(&request).await?;
    Error::check(response.error_code)?;
    Ok(Identity {
        id: response.producer_id,
        epoch: response.producer_epoch,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ErrorCode;

    #[tokio::test]
    async fn after_any_error_it_is_asked_later() {
        let client = Client::builder("127.0.0.1:1").build().unwrap();
        let retry = Backoff::new(Duration::from_secs(100), Duration::from_secs(1000));
        for code in [
            ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
        ] {
            let mut source = IdentitySource::having(Identity { id: 7, epoch: i16::MAX });
            source.use_up();
            let mut wait = Duration::ZERO;
            for _ in 0..3 {
                let now = Instant::now();
                let refused = Err(Error::Broker { code, message: None });
                source.settle(&refused, now, &retry);
                source.use_up();
                let next = source.due().expect("it is wanted");
                assert!(next - now > wait, "{code}: {:?}, after {wait:?} before", next - now);
                wait = next - now;
                source.ask(now, &client);
                assert!(source.asking.is_none(), "{code}: asked at once");
            }
            assert!(wait > Duration::from_secs(200), "{code}: {wait:?}");
            let identity = Identity { id: 8, epoch: 0 };
            source.settle(&Ok(identity), Instant::now(), &retry);
            assert_eq!((source.current(), source.due()), (Some(identity), None));
        }
    }
}
