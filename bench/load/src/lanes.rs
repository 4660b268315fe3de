//! Connections that work at the same time, on one thread.

use std::time::Instant;

use tokio::task::LocalSet;

use crate::figures::Done;

/// Runs what each connection does to its end and prints what all have done in that time.
pub(crate) async fn run<F>(lanes: impl Iterator<Item = F>) -> Result<(), String>
where
    F: Future<Output = Result<Done, String>> + 'static,
{
    let begun = Instant::now();
    let tasks = LocalSet::new();
    let lanes: Vec<_> = lanes.map(|lane| tasks.spawn_local(lane)).collect();
    tasks.await;
    let took = begun.elapsed();
    let mut done = Done::default();
    for lane in lanes {
        done.add(lane.await.map_err(|error| error.to_string())??);
    }
    done.print(took);
    Ok(())
}
