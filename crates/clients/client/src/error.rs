//! What can go wrong in a call.

use std::time::Duration;

use klamm_protocol::{ApiKey, EncodeError, ErrorCode};

/// Why a call has no result.
///
/// What a broker answered is [`Error::Broker`]; the others arose on the way.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A broker answered with an error.
    #[error("{}", sentence(*.code, .message.as_deref()))]
    Broker {
        /// Kafka's code.
        code: ErrorCode,
        /// The broker's own words, if it sent some.
        message: Option<String>,
    },
    /// The time for the call is over.
    #[error("{what} timed out after {} ms{}", .after.as_millis(), cause(.last))]
    TimedOut {
        /// The call, by the name of its api or of the method.
        what: String,
        /// The time that it had.
        after: Duration,
        /// What the latest attempt failed of, if one did.
        last: Option<Box<Error>>,
    },
    /// There is no connection: refused, unknown host, or closed before the reply came.
    #[error("{address}: {reason}")]
    Unreachable {
        /// `host:port`, or the id of a broker whose address is not known.
        address: String,
        /// What the system or the broker did.
        reason: String,
    },
    /// The broker has no version of the API that this client speaks, or that can say what was asked.
    #[error("{address} does not support {api}: {reason}")]
    Unsupported {
        /// The API.
        api: ApiKey,
        /// `host:port` of the broker.
        address: String,
        /// What is missing.
        reason: String,
    },
    /// A reply that is not Kafka's protocol. The connection is closed.
    #[error("unreadable reply from {address}: {reason}")]
    Protocol {
        /// `host:port` of the broker.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What was asked cannot be written as a request, such as a name longer than 32,767 bytes. Nothing was sent.
    #[error("{api} cannot be sent: {reason}")]
    Request {
        /// The API.
        api: ApiKey,
        /// What does not fit.
        reason: EncodeError,
    },
    /// A property that is missing or has a value that it must not have.
    #[error("{}", config_sentence(.key, .value.as_deref(), .reason))]
    Config {
        /// The property.
        key: String,
        /// Its value; `None` when it is missing.
        value: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// A file of properties that cannot be read.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The producer or consumer has been closed.
    #[error("the client is closed")]
    Closed,
}

impl Error {
    /// The error for a code that came without words; `Ok` for [`ErrorCode::NONE`].
    pub(crate) fn check(code: ErrorCode) -> Result<(), Error> {
        Error::check_with(code, None)
    }

    /// The error for a code and what the broker said to it; `Ok` for [`ErrorCode::NONE`].
    pub(crate) fn check_with(code: ErrorCode, message: Option<String>) -> Result<(), Error> {
        if code.is_none() {
            return Ok(());
        }
        let message = message.filter(|message| !message.is_empty());
        Err(Error::Broker { code, message })
    }

    /// What a broker answered, if one did. A call that ran out of time answers for its latest attempt.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Error::Broker { code, .. } => Some(*code),
            Error::TimedOut { last: Some(last), .. } => last.code(),
            _ => None,
        }
    }

    /// Whether the same call can succeed later.
    pub fn is_retriable(&self) -> bool {
        match self {
            Error::Broker { code, .. } => code.is_retriable(),
            Error::TimedOut { .. } | Error::Unreachable { .. } => true,
            _ => false,
        }
    }

    /// Whether the client's picture of the cluster may be out of date: a leader has moved or a broker is gone.
    pub fn needs_metadata_refresh(&self) -> bool {
        match self {
            Error::Broker { code, .. } => code.needs_metadata_refresh(),
            Error::TimedOut { .. } | Error::Unreachable { .. } => true,
            _ => false,
        }
    }

    /// Whether the connection failed rather than the broker refused.
    pub(crate) fn is_transport(&self) -> bool {
        matches!(self, Error::TimedOut { .. } | Error::Unreachable { .. })
    }
}

fn sentence(code: ErrorCode, message: Option<&str>) -> String {
    message.unwrap_or_else(|| code.message()).to_owned()
}

fn cause(last: &Option<Box<Error>>) -> String {
    last.as_ref().map(|last| format!(": {last}")).unwrap_or_default()
}

fn config_sentence(key: &str, value: Option<&str>, reason: &str) -> String {
    match value {
        Some(value) => format!("invalid value {value} for {key}: {reason}"),
        None => format!("{key} is missing: {reason}"),
    }
}
