//! The error codes that responses carry.

use std::fmt;

use crate::generated::errors::{ERRORS, FIRST_ERROR_CODE};

/// An error code as on the wire; codes unknown here keep their number.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ErrorCode(pub i16);

/// What is known of an error code.
#[derive(Debug)]
pub(crate) struct ErrorInfo {
    pub(crate) name: &'static str,
    pub(crate) retry: Retry,
    pub(crate) message: &'static str,
}

/// Whether the same request can succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    No,
    Yes,
    /// Yes, after the client has refreshed its metadata.
    Refresh,
}

impl ErrorCode {
    /// Whether this is no error.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Whether this is an error.
    pub fn is_err(self) -> bool {
        !self.is_none()
    }

    /// Kafka's name; a code that is unknown here goes by `UNKNOWN_SERVER_ERROR`, as in Kafka.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Whether the same request can succeed later.
    pub fn is_retriable(self) -> bool {
        self.info().retry != Retry::No
    }

    /// Whether a client should refresh its metadata before it tries again.
    pub fn needs_metadata_refresh(self) -> bool {
        self.info().retry == Retry::Refresh
    }

    /// A sentence for people, for `error_message` fields; empty for [`ErrorCode::NONE`].
    pub fn message(self) -> &'static str {
        self.info().message
    }

    fn info(self) -> &'static ErrorInfo {
        usize::try_from(i32::from(self.0) - i32::from(FIRST_ERROR_CODE))
            .ok()
            .and_then(|index| ERRORS.get(index))
            .unwrap_or(&ERRORS[0])
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_no_gaps() {
        assert_eq!(ERRORS.len(), 138);
        assert_eq!(ErrorCode::UNKNOWN_SERVER_ERROR.name(), "UNKNOWN_SERVER_ERROR");
        assert_eq!((ErrorCode::NONE.name(), ErrorCode::NONE.message()), ("NONE", ""));
        assert_eq!(ErrorCode(45).name(), "OUT_OF_ORDER_SEQUENCE_NUMBER");
        assert_eq!(ErrorCode::CONTROLLER_ID_NOT_REGISTERED.0, 136);
        for code in (FIRST_ERROR_CODE..137).map(ErrorCode).filter(|code| code.is_err()) {
            assert!(code.message().ends_with('.'), "{code}");
        }
    }

    #[test]
    fn retriable_codes() {
        assert!(
            ErrorCode::NOT_LEADER_OR_FOLLOWER.is_retriable()
                && ErrorCode::NOT_LEADER_OR_FOLLOWER.needs_metadata_refresh()
        );
        assert!(
            ErrorCode::CONCURRENT_TRANSACTIONS.is_retriable()
                && !ErrorCode::CONCURRENT_TRANSACTIONS.needs_metadata_refresh()
        );
        assert!(!ErrorCode::INVALID_REQUEST.is_retriable() && !ErrorCode::NONE.is_retriable());
    }

    #[test]
    fn codes_of_the_future_keep_their_number() {
        for code in [ErrorCode(-2), ErrorCode(137), ErrorCode(i16::MAX), ErrorCode(i16::MIN)] {
            assert_eq!(code.name(), "UNKNOWN_SERVER_ERROR");
            assert!(code.is_err());
        }
        assert_eq!(format!("{:?}", ErrorCode(999)), "UNKNOWN_SERVER_ERROR(999)");
    }
}
