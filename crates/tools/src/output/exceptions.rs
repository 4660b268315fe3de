//! The names by which Kafka's tools call errors: classes of the Java client.

use klamm_protocol::ErrorCode;

/// As in a stack trace: `org.apache.kafka.common.errors.InvalidTopicException: The request …`.
pub fn exception(code: ErrorCode, message: Option<&str>) -> String {
    let message = message.unwrap_or_else(|| sentence(code));
    format!("org.apache.kafka.common.errors.{}: {message}", exception_of(code))
}

/// What Java's client says of an error that came without words. Scripts look for these; the rest reads as our client has it.
pub fn sentence(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::OFFSET_OUT_OF_RANGE => {
            "The requested offset is not within the range of offsets maintained by the server."
        }
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "This server does not host this topic-partition.",
        ErrorCode::UNKNOWN_TOPIC_ID => "This server does not host this topic ID.",
        ErrorCode::TOPIC_ALREADY_EXISTS => "Topic with this name already exists.",
        ErrorCode::COORDINATOR_NOT_AVAILABLE => "The coordinator is not available.",
        ErrorCode::GROUP_ID_NOT_FOUND => "The group id does not exist.",
        ErrorCode::NON_EMPTY_GROUP => "The group is not empty.",
        ErrorCode::UNKNOWN_MEMBER_ID => "The coordinator is not aware of this member.",
        ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC => {
            "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."
        }
        other => other.message(),
    }
}

/// The simple name of the class, as `OffsetOutOfRangeException`.
pub fn exception_of(code: ErrorCode) -> String {
    IRREGULAR
        .iter()
        .find(|(name, _)| *name == code.name())
        .map_or_else(|| regular(code.name()), |(_, class)| (*class).to_owned())
}

/// `INVALID_TOPIC` is `InvalidTopicException`.
fn regular(name: &str) -> String {
    let mut class = String::new();
    for word in name.split('_').filter(|word| *word != "EXCEPTION") {
        let mut letters = word.chars();
        class.extend(letters.next());
        class.push_str(&letters.as_str().to_ascii_lowercase());
    }
    class + "Exception"
}

/// Codes whose class is called otherwise.
const IRREGULAR: &[(&str, &str)] = &[
    ("UNKNOWN_SERVER_ERROR", "UnknownServerException"),
    ("CORRUPT_MESSAGE", "CorruptRecordException"),
    ("REQUEST_TIMED_OUT", "TimeoutException"),
    ("MESSAGE_TOO_LARGE", "RecordTooLargeException"),
    ("STALE_CONTROLLER_EPOCH", "ControllerMovedException"),
    ("OFFSET_METADATA_TOO_LARGE", "OffsetMetadataTooLarge"),
    ("RECORD_LIST_TOO_LARGE", "RecordBatchTooLargeException"),
    ("TOPIC_AUTHORIZATION_FAILED", "TopicAuthorizationException"),
    ("GROUP_AUTHORIZATION_FAILED", "GroupAuthorizationException"),
    ("CLUSTER_AUTHORIZATION_FAILED", "ClusterAuthorizationException"),
    ("TOPIC_ALREADY_EXISTS", "TopicExistsException"),
    ("INVALID_CONFIG", "InvalidConfigurationException"),
    ("OUT_OF_ORDER_SEQUENCE_NUMBER", "OutOfOrderSequenceException"),
    ("DUPLICATE_SEQUENCE_NUMBER", "DuplicateSequenceException"),
    ("INVALID_PRODUCER_ID_MAPPING", "InvalidPidMappingException"),
    ("INVALID_TRANSACTION_TIMEOUT", "InvalidTxnTimeoutException"),
    (
        "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        "TransactionalIdAuthorizationException",
    ),
    ("KAFKA_STORAGE_ERROR", "KafkaStorageException"),
    ("SASL_AUTHENTICATION_FAILED", "SaslAuthenticationException"),
    ("DELEGATION_TOKEN_AUTH_DISABLED", "DelegationTokenDisabledException"),
    (
        "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
        "UnsupportedByAuthenticationException",
    ),
    (
        "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
        "DelegationTokenAuthorizationException",
    ),
    ("NON_EMPTY_GROUP", "GroupNotEmptyException"),
    ("PRINCIPAL_DESERIALIZATION_FAILURE", "PrincipalDeserializationException"),
    ("FETCH_SESSION_TOPIC_ID_ERROR", "FetchSessionTopicIdException"),
    ("INVALID_REGULAR_EXPRESSION", "InvalidRegularExpression"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_called_as_javas_classes() {
        let named = |code| exception_of(code);
        assert_eq!(named(ErrorCode::OFFSET_OUT_OF_RANGE), "OffsetOutOfRangeException");
        assert_eq!(named(ErrorCode::INVALID_TOPIC_EXCEPTION), "InvalidTopicException");
        assert_eq!(named(ErrorCode::MESSAGE_TOO_LARGE), "RecordTooLargeException");
        assert_eq!(named(ErrorCode::INVALID_CONFIG), "InvalidConfigurationException");
        assert_eq!(
            exception(ErrorCode::UNKNOWN_SERVER_ERROR, Some("oops")),
            "org.apache.kafka.common.errors.UnknownServerException: oops"
        );
    }
}
