//! Repeating what may succeed later, with growing waits, until a call's time is over.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::Error;
use crate::connection::backoff::Backoff;

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Retry {
    what: &'static str,
    backoff: Backoff,
    deadline: Instant,
    after: Duration,
    failures: u32,
    last: Option<Error>,
}

impl Retry {
    /// A call of this name that starts now and may take `after`.
    pub(crate) fn new(what: &'static str, backoff: Backoff, after: Duration) -> Retry {
        Retry {
            what,
            backoff,
            deadline: Instant::now() + after,
            after,
            failures: 0,
            last: None,
        }
    }

    /// Makes one attempt. `None` when it failed in a way that is `retriable`: the wait is over, try again.
    pub(crate) async fn step<T>(
        &mut self,
        retriable: fn(&Error) -> bool,
        attempt: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, Error> {
        match timeout_at(self.deadline, attempt).await {
            Err(_) => Err(self.timed_out()),
            Ok(Err(error)) if retriable(&error) => self.pause(error).await.map(|()| None),
            Ok(result) => result.map(Some),
        }
    }

    /// Waits before the next attempt after one that failed of `error`.
    pub(crate) async fn pause(&mut self, error: Error) -> Result<(), Error> {
        self.last = Some(error);
        let wait = self.backoff.after(self.failures);
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep_until(self.deadline.min(Instant::now() + wait)).await;
        match self.is_over() {
            true => Err(self.timed_out()),
            false => Ok(()),
        }
    }

    /// Whether this is not the first attempt.
    pub(crate) fn is_repeated(&self) -> bool {
        self.failures > 0
    }

    /// Whether there is no time for another attempt.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// What is left of the call's time.
    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The error for a call whose time is over.
    pub(crate) fn timed_out(&self) -> Error {
        self.timed_out_after(self.last.clone())
    }

    /// The error for a part of a call whose time is over.
    pub(crate) fn timed_out_after(&self, last: Option<Error>) -> Error {
        Error::TimedOut {
            what: self.what.to_owned(),
            after: self.after,
            last: last.map(Box::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(after_ms: u64) -> Retry {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        Retry::new("Test", backoff, Duration::from_millis(after_ms))
    }

    fn refused() -> Error {
        Error::Unreachable {
            address: "a:1".to_owned(),
            reason: "connection refused".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_go_on_until_one_succeeds() {
        let mut retry = retry(60_000);
        let begun = Instant::now();
        let mut failing = 3;
        let outcome = loop {
            let attempt = async {
                failing -= 1;
                if failing >= 0 { Err(refused()) } else { Ok("done") }
            };
            if let Some(outcome) = retry.step(Error::is_transport, attempt).await.expect("in time") {
                break outcome;
            }
        };
        assert_eq!(outcome, "done");
        // 100 + 200 + 400 ms, each give or take a fifth.
        let took = begun.elapsed().as_millis();
        assert!((560..=841).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_the_time_tells_the_last_failure() {
        let mut retry = retry(250);
        let begun = Instant::now();
        let error = loop {
            match retry.step(Error::is_transport, async { Err::<(), _>(refused()) }).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(
            error.to_string(),
            "Test timed out after 250 ms: a:1: connection refused"
        );
        assert_eq!(begun.elapsed().as_millis(), 250);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_hangs_ends_with_the_time() {
        let mut retry = retry(250);
        let error = retry
            .step(Error::is_transport, std::future::pending::<Result<(), Error>>())
            .await;
        assert_eq!(
            error.expect_err("nothing came").to_string(),
            "Test timed out after 250 ms"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_get_better_is_not_repeated() {
        let mut retry = retry(250);
        let error = retry
            .step(Error::is_transport, async { Err::<(), _>(Error::Closed) })
            .await;
        assert!(matches!(error, Err(Error::Closed)));
        assert!(!retry.is_repeated());
    }
}
