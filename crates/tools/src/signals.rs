//! Signals that end a tool.

use tokio::signal::unix::{SignalKind, signal as listen};

use crate::output::Failure;

/// Waits for SIGINT or SIGTERM and says with which code to end.
pub(crate) async fn signal() -> u8 {
    let (Ok(mut interrupt), Ok(mut terminate)) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}

/// What a tool ends with when a signal of this code came.
pub(crate) fn interrupted(code: u8) -> Failure {
    Failure::own("interrupted").code(code)
}
