//! What the group APIs share: the codes of a coordinator that can't answer.

use klamm_coordinator::CoordinatorError;
use klamm_protocol::ErrorCode;

/// The code for a request that the coordinator gave no answer to, as Kafka maps what went wrong beneath.
pub(super) fn code(error: CoordinatorError) -> ErrorCode {
    match error {
        CoordinatorError::LoadInProgress => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        CoordinatorError::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        CoordinatorError::NotAvailable => ErrorCode::COORDINATOR_NOT_AVAILABLE,
        CoordinatorError::RecordsTooLarge { .. } => ErrorCode::UNKNOWN_SERVER_ERROR,
    }
}
