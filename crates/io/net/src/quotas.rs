//! How many connections there may be, in all and per address, and how fast new ones may come.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The longest a single accept is held back for the sake of the creation rate; Kafka's quota window.
const MAX_RATE_DELAY: Duration = Duration::from_secs(11);

/// The limits of one server: `max.connections`, `max.connections.per.ip` with its overrides, `max.connection.creation.rate`.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// All connections of all listeners. Listeners bound as protected are not held up by it.
    pub max_connections: u32,
    /// Connections of one address.
    pub max_connections_per_ip: u32,
    /// Addresses with a limit of their own.
    pub max_connections_per_ip_overrides: HashMap<IpAddr, u32>,
    /// New connections a second; `u32::MAX` means no limit.
    pub max_connection_creation_rate: u32,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        ConnectionLimits {
            max_connections: u32::MAX,
            max_connections_per_ip: u32::MAX,
            max_connections_per_ip_overrides: HashMap::new(),
            max_connection_creation_rate: u32::MAX,
        }
    }
}

/// The address has as many connections as it may have.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{ip} already has the configured maximum of {max} connections")]
pub struct TooManyConnections {
    /// Whose connection was refused.
    pub ip: IpAddr,
    /// The limit of that address.
    pub max: u32,
}

/// Counts the connections of one server; clones share the count.
#[derive(Clone, Debug)]
pub struct ConnectionQuotas(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    freed: Notify,
}

#[derive(Debug)]
struct State {
    limits: ConnectionLimits,
    total: u32,
    per_ip: HashMap<IpAddr, u32>,
    rate: Bucket,
}

/// One connection's place in the count, given back when dropped.
#[derive(Debug)]
pub struct ConnectionSlot {
    quotas: ConnectionQuotas,
    ip: IpAddr,
}

impl ConnectionQuotas {
    /// Starts counting from nought.
    pub fn new(limits: ConnectionLimits) -> Self {
        let rate = Bucket::full(limits.max_connection_creation_rate);
        let state = State {
            limits,
            total: 0,
            per_ip: HashMap::new(),
            rate,
        };
        ConnectionQuotas(Arc::new(Shared {
            state: Mutex::new(state),
            freed: Notify::new(),
        }))
    }

    /// Changes the limits; connections that are open stay open.
    pub fn update(&self, limits: ConnectionLimits) {
        let mut state = self.state();
        if state.limits.max_connection_creation_rate != limits.max_connection_creation_rate {
            state.rate = Bucket::full(limits.max_connection_creation_rate);
        }
        state.limits = limits;
        drop(state);
        self.0.freed.notify_waiters();
    }

    /// How many connections are open.
    pub fn count(&self) -> u32 {
        self.state().total
    }

    /// Waits until the creation rate and `max_connections` allow one more connection (a `protected` listener
    /// does not wait for the latter), then takes a place for `ip`.
    ///
    /// # Errors
    /// [`TooManyConnections`] at once when the address has used up its own limit.
    pub async fn acquire(&self, ip: IpAddr, protected: bool) -> Result<ConnectionSlot, TooManyConnections> {
        let delay = self.state().rate.take(Instant::now());
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // Registered before the count is read, so that a place freed in between is not missed.
            freed.as_mut().enable();
            if let Some(outcome) = self.try_acquire(ip, protected) {
                return outcome;
            }
            freed.await;
        }
    }

    fn try_acquire(&self, ip: IpAddr, protected: bool) -> Option<Result<ConnectionSlot, TooManyConnections>> {
        let mut state = self.state();
        if state.total >= state.limits.max_connections && !protected {
            return None;
        }
        let limits = &state.limits;
        let max = limits
            .max_connections_per_ip_overrides
            .get(&ip)
            .copied()
            .unwrap_or(limits.max_connections_per_ip);
        let count = state.per_ip.get(&ip).copied().unwrap_or(0);
        if count >= max {
            return Some(Err(TooManyConnections { ip, max }));
        }
        state.per_ip.insert(ip, count + 1);
        state.total += 1;
        Some(Ok(ConnectionSlot {
            quotas: self.clone(),
            ip,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut state = self.quotas.state();
        state.total -= 1;
        if let Some(count) = state.per_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                state.per_ip.remove(&self.ip);
            }
        }
        drop(state);
        self.quotas.0.freed.notify_waiters();
    }
}

/// A token bucket that holds one second's worth.
#[derive(Debug)]
struct Bucket {
    per_second: u32,
    tokens: f64,
    filled_at: Option<Instant>,
}

impl Bucket {
    fn full(per_second: u32) -> Self {
        Bucket {
            per_second,
            tokens: f64::from(per_second),
            filled_at: None,
        }
    }

    /// Takes one token, in advance if need be, and says how long to wait until it is there.
    fn take(&mut self, now: Instant) -> Duration {
        if self.per_second == u32::MAX {
            return Duration::ZERO;
        }
        let rate = f64::from(self.per_second);
        if let Some(before) = self.filled_at.replace(now) {
            self.tokens = (self.tokens + rate * (now - before).as_secs_f64()).min(rate);
        }
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Duration::ZERO;
        }
        if self.per_second == 0 {
            return MAX_RATE_DELAY;
        }
        let wait = Duration::from_secs_f64((1.0 - self.tokens) / rate).min(MAX_RATE_DELAY);
        self.tokens = (self.tokens - 1.0).max(-rate * MAX_RATE_DELAY.as_secs_f64());
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn quotas(edit: impl FnOnce(&mut ConnectionLimits)) -> ConnectionQuotas {
        let mut limits = ConnectionLimits::default();
        edit(&mut limits);
        ConnectionQuotas::new(limits)
    }

    #[tokio::test]
    async fn an_address_is_refused_at_its_own_limit_and_others_are_not() {
        let quotas = quotas(|l| {
            l.max_connections_per_ip = 1;
            l.max_connections_per_ip_overrides.insert(B, 2);
        });
        let first = quotas.acquire(A, false).await.unwrap();
        assert_eq!(
            quotas.acquire(A, false).await.unwrap_err(),
            TooManyConnections { ip: A, max: 1 }
        );
        let _b1 = quotas.acquire(B, false).await.unwrap();
        let _b2 = quotas.acquire(B, false).await.unwrap();
        assert_eq!(
            quotas.acquire(B, false).await.unwrap_err(),
            TooManyConnections { ip: B, max: 2 }
        );
        drop(first);
        assert!(quotas.acquire(A, false).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_holds_up_new_connections_until_one_ends() {
        let quotas = quotas(|l| l.max_connections = 1);
        let first = quotas.acquire(A, false).await.unwrap();
        let waited = tokio::time::timeout(Duration::from_secs(60), quotas.acquire(B, false)).await;
        assert!(waited.is_err(), "no place while the only one is taken");
        assert!(
            quotas.acquire(B, true).await.is_ok(),
            "a protected listener is let through"
        );
        let waiting = tokio::spawn({
            let quotas = quotas.clone();
            async move { quotas.acquire(B, false).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        let slot = waiting.await.unwrap().unwrap();
        assert_eq!(quotas.count(), 1);
        drop(slot);
        assert_eq!(quotas.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_creation_rate_spreads_connections_over_time() {
        let quotas = quotas(|l| l.max_connection_creation_rate = 5);
        let start = Instant::now();
        let mut slots = Vec::new();
        for _ in 0..20 {
            slots.push(quotas.acquire(A, false).await.unwrap());
        }
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(2_900) && took <= Duration::from_millis(3_100),
            "{took:?}"
        );
    }
}
