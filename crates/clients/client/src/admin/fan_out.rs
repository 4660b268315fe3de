//! One request to each of many nodes at the same time.

use klamm_protocol::Request;
use tokio::task::JoinSet;

use crate::client::{Lane, RequestOptions, Target};
use crate::{Client, Error};

/// Whether a request is repeated to its node when the connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Until the time is over.
    UntilTimeout,
    /// No: the caller looks for another node first.
    Never,
}

impl Client {
    /// Sends each node its request and collects the replies, in the order of `calls`. Dropped, the requests are too.
    pub(super) async fn fan_out<K, R, M>(
        &self,
        calls: Vec<(i32, K, M)>,
        newest: i16,
        repeat: Repeat,
    ) -> Vec<(i32, K, Result<(i16, R::Response), Error>)>
    where
        R: Request<Response: Send + 'static> + Send + Sync + 'static,
        M: Fn(i16) -> R + Send + Sync + 'static,
    {
        let mut tasks = JoinSet::new();
        let mut keys = Vec::with_capacity(calls.len());
        for (index, (node, key, make)) in calls.into_iter().enumerate() {
            let client = self.clone();
            keys.push((node, key));
            let options = RequestOptions {
                newest,
                ..RequestOptions::new(Lane::General)
            };
            tasks.spawn(async move {
                let to = Target::Broker(node);
                let outcome = match repeat {
                    Repeat::UntilTimeout => client.exchange(to, &options, make).await,
                    Repeat::Never => match client.start(&to, options, make).await {
                        Ok(in_flight) => in_flight.response().await,
                        Err(error) => Err(error),
                    },
                };
                (index, outcome)
            });
        }
        let mut outcomes: Vec<_> = keys.iter().map(|_| None).collect();
        while let Some(joined) = tasks.join_next().await {
            match joined {
                Ok((index, outcome)) => outcomes[index] = Some(outcome),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // Only when the runtime is shutting down.
                Err(_) => {}
            }
        }
        let outcomes = outcomes
            .into_iter()
            .map(|outcome| outcome.unwrap_or(Err(Error::Closed)));
        let together = keys.into_iter().zip(outcomes);
        together.map(|((node, key), outcome)| (node, key, outcome)).collect()
    }
}
