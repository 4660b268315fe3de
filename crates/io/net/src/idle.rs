//! Notices that nothing has moved on a connection for too long, with one timer entry per connection.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// The idle clock of one connection. Activity only stores a time; the timer is moved when it fires.
#[derive(Debug)]
pub(crate) struct IdleClock {
    limit: Option<Duration>,
    active_at: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl IdleClock {
    /// `None` means a connection may be idle for ever.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        IdleClock {
            limit,
            active_at: Instant::now(),
            alarm: None,
        }
    }

    /// Bytes moved.
    pub(crate) fn touch(&mut self) {
        self.active_at = Instant::now();
    }

    /// Resolves when nothing has moved for the limit. Cancel safe.
    pub(crate) async fn expired(&mut self) {
        let Some(limit) = self.limit else {
            return std::future::pending().await;
        };
        loop {
            let due = self.active_at + limit;
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(due)));
            alarm.as_mut().await;
            if Instant::now() >= due {
                return;
            }
            alarm.as_mut().reset(due);
        }
    }
}
