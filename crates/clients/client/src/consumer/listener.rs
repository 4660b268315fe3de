//! The application's part in a rebalance.

use std::pin::Pin;

use klamm_assignors::TopicPartition;

use super::Consumer;

/// Told when partitions come and go. The rebalance waits for each call, with the member's heartbeats going on, and no poll
/// returns records meanwhile; the consumer given can be used for everything but polling.
///
/// ```
/// use klamm_client::consumer::{Consumer, RebalanceListener, TopicPartition};
///
/// struct Log;
///
/// impl RebalanceListener for Log {
///     async fn assigned(&self, _: &Consumer, partitions: &[TopicPartition]) {
///         println!("got {partitions:?}");
///     }
///     async fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition]) {
///         println!("giving up {partitions:?}");
///         let _ = consumer.commit().await;
///     }
/// }
/// ```
pub trait RebalanceListener: Send + Sync + 'static {
    /// These partitions are the consumer's from now on. Called after every rebalance, also with none.
    fn assigned(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> impl Future<Output = ()> + Send {
        let _ = (consumer, partitions);
        async {}
    }

    /// These partitions are about to be another's; what is to be committed is to be committed now.
    fn revoked(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> impl Future<Output = ()> + Send {
        let _ = (consumer, partitions);
        async {}
    }

    /// These partitions are another's already: the consumer was kicked out of its group. Nothing can be committed.
    fn lost(&self, consumer: &Consumer, partitions: &[TopicPartition]) -> impl Future<Output = ()> + Send {
        self.revoked(consumer, partitions)
    }
}

/// What happens to partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Assigned,
    Revoked,
    Lost,
}

/// A listener of any type.
pub(super) trait AnyListener: Send + Sync {
    fn tell<'a>(
        &'a self,
        change: Change,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

impl<L: RebalanceListener> AnyListener for L {
    fn tell<'a>(
        &'a self,
        change: Change,
        consumer: &'a Consumer,
        partitions: &'a [TopicPartition],
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match change {
            Change::Assigned => Box::pin(self.assigned(consumer, partitions)),
            Change::Revoked => Box::pin(self.revoked(consumer, partitions)),
            Change::Lost => Box::pin(self.lost(consumer, partitions)),
        }
    }
}
