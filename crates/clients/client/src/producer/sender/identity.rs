//! Where the producer id comes from.

use std::future::Future;
use std::pin::Pin;

use klamm_protocol::messages::InitProducerIdRequest;
use tokio::time::Instant;

use super::{Sender, finish};
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

    /// Asks for another, because this one's epochs are used up.
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
        let source = &mut self.identity;
        source.not_before = None;
        match answer {
            Ok(identity) => {
                tracing::debug!(?identity, "the producer has its id");
                (source.current, source.wanted, source.failures) = (Some(identity), false, 0);
            }
            Err(error) if error.is_retriable() => {
                tracing::debug!(%error, "no producer id yet");
                source.not_before = Some(Instant::now() + self.shared.options.retry.after(source.failures));
                source.failures = source.failures.saturating_add(1);
            }
            Err(error) => {
                // Asked for again when there is another record.
                source.wanted = false;
                self.fail_waiting(&SendError::from(error));
            }
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
