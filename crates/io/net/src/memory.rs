//! The memory that requests of all connections may hold together (`queued.max.request.bytes`).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::Notify;

use crate::buffers::FrameBuffers;

/// A budget of bytes; clones share it.
///
/// A frame is let in whole while anything is left of the budget, so the pool may be overdrawn by one frame,
/// and a frame that was let in never has to wait again: connections can't block one another half-way.
#[derive(Clone, Debug)]
pub struct MemoryPool {
    budget: Option<Arc<Budget>>,
    /// Buffers of former frames. They are no part of the budget.
    pub(crate) buffers: FrameBuffers,
}

#[derive(Debug)]
struct Budget {
    available: AtomicI64,
    freed: Notify,
}

/// Bytes taken from a [`MemoryPool`], given back when dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    budget: Option<Arc<Budget>>,
    bytes: i64,
}

impl MemoryPool {
    /// A pool of `bytes` for all.
    pub fn bounded(bytes: u64) -> Self {
        let available = AtomicI64::new(i64::try_from(bytes).unwrap_or(i64::MAX));
        let budget = Budget {
            available,
            freed: Notify::new(),
        };
        MemoryPool {
            budget: Some(Arc::new(budget)),
            buffers: FrameBuffers::default(),
        }
    }

    /// A pool that never makes anyone wait.
    pub fn unbounded() -> Self {
        MemoryPool {
            budget: None,
            buffers: FrameBuffers::default(),
        }
    }

    /// What is left; negative when overdrawn, `None` without a bound.
    pub fn available(&self) -> Option<i64> {
        self.budget
            .as_ref()
            .map(|budget| budget.available.load(Ordering::Acquire))
    }

    /// Waits until something is left of the budget, then takes `bytes`.
    pub async fn reserve(&self, bytes: u32) -> MemoryPermit {
        let bytes = i64::from(bytes);
        let Some(budget) = &self.budget else {
            return MemoryPermit { budget: None, bytes };
        };
        loop {
            let freed = budget.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let take = |available: i64| (available > 0).then(|| available - bytes);
            if budget
                .available
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
                .is_ok()
            {
                return MemoryPermit {
                    budget: Some(budget.clone()),
                    bytes,
                };
            }
            freed.await;
        }
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.available.fetch_add(self.bytes, Ordering::AcqRel);
            budget.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_spent_pool_makes_the_next_frame_wait_for_the_first() {
        let pool = MemoryPool::bounded(100);
        let large = pool.reserve(1_000).await;
        assert_eq!(pool.available(), Some(-900));
        let waited = tokio::time::timeout(Duration::from_secs(9), pool.reserve(1)).await;
        assert!(waited.is_err());
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.reserve(60).await }
        });
        tokio::task::yield_now().await;
        drop(large);
        let small = waiting.await.unwrap();
        assert_eq!(pool.available(), Some(40));
        drop(small);
        assert_eq!(pool.available(), Some(100));
    }

    #[tokio::test]
    async fn a_pool_without_a_bound_never_waits() {
        let pool = MemoryPool::unbounded();
        let _permits = [pool.reserve(u32::MAX).await, pool.reserve(u32::MAX).await];
        assert_eq!(pool.available(), None);
    }
}
