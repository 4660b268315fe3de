//! Why a group refuses.

use klamm_protocol::ErrorCode;
use thiserror::Error;

/// Why a request of a group, or one row of it, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GroupError {
    /// The group id is empty where one is needed.
    #[error("the group id is invalid")]
    InvalidGroupId,
    /// Outside `group.min.session.timeout.ms` and `group.max.session.timeout.ms`.
    #[error("the session timeout is out of bounds")]
    InvalidSessionTimeout,
    /// The member is not, or no longer, in the group.
    #[error("the group has no such member")]
    UnknownMemberId,
    /// Another member has taken over the static member's instance id (KIP-345).
    #[error("another member has taken over this instance id")]
    FencedInstanceId,
    /// The member speaks for another generation.
    #[error("the group is in another generation")]
    IllegalGeneration,
    /// The members have to join again.
    #[error("the group rebalances")]
    RebalanceInProgress,
    /// The protocol type or the protocols don't fit the group's.
    #[error("the protocols don't fit the group's")]
    InconsistentGroupProtocol,
    /// The first join only gets the member its id (KIP-394).
    #[error("the member has to join again with the id it was given")]
    MemberIdRequired,
    /// `group.max.size` is reached.
    #[error("the group is full")]
    GroupMaxSizeReached,
    /// No classic group of this id.
    #[error("there is no such group")]
    GroupIdNotFound,
    /// The group has members, or is of another kind.
    #[error("the group is not empty")]
    NonEmptyGroup,
    /// The commit's metadata is longer than `offset.metadata.max.bytes`.
    #[error("the offset's metadata is too large")]
    OffsetMetadataTooLarge,
    /// Members subscribe to the topic whose offset was to be deleted.
    #[error("the group subscribes to the topic")]
    GroupSubscribedToTopic,
    /// An open transaction holds an offset for the partition.
    #[error("a transaction has not decided on the offset yet")]
    UnstableOffsetCommit,
}

impl GroupError {
    /// Kafka's code.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::InvalidGroupId => ErrorCode::INVALID_GROUP_ID,
            Self::InvalidSessionTimeout => ErrorCode::INVALID_SESSION_TIMEOUT,
            Self::UnknownMemberId => ErrorCode::UNKNOWN_MEMBER_ID,
            Self::FencedInstanceId => ErrorCode::FENCED_INSTANCE_ID,
            Self::IllegalGeneration => ErrorCode::ILLEGAL_GENERATION,
            Self::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
            Self::InconsistentGroupProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            Self::MemberIdRequired => ErrorCode::MEMBER_ID_REQUIRED,
            Self::GroupMaxSizeReached => ErrorCode::GROUP_MAX_SIZE_REACHED,
            Self::GroupIdNotFound => ErrorCode::GROUP_ID_NOT_FOUND,
            Self::NonEmptyGroup => ErrorCode::NON_EMPTY_GROUP,
            Self::OffsetMetadataTooLarge => ErrorCode::OFFSET_METADATA_TOO_LARGE,
            Self::GroupSubscribedToTopic => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
            Self::UnstableOffsetCommit => ErrorCode::UNSTABLE_OFFSET_COMMIT,
        }
    }
}
