//! The quorum's messages without their wire form. `broker` turns them into Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch and FetchSnapshot.

use bytes::Bytes;

use crate::{Batch, Endpoint, Endpoints, OffsetAndEpoch, ReplicaKey};

/// Why a request was refused. Each has an error code of Kafka's by the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuorumError {
    /// The request belongs to another cluster.
    #[error("the cluster id of the request is not this cluster's")]
    InconsistentClusterId,
    /// The request's epoch is older than the one known here.
    #[error("the epoch of the request is older than the current one")]
    FencedLeaderEpoch,
    /// The request's epoch is newer than the one known here.
    #[error("the epoch of the request is newer than the current one")]
    UnknownLeaderEpoch,
    /// Only the leader answers this.
    #[error("this node is not the leader")]
    NotLeaderOrFollower,
    /// The request contradicts itself or what is known.
    #[error("the request is invalid")]
    InvalidRequest,
    /// The request was meant for another incarnation of this node.
    #[error("the request names another directory id of this node")]
    InvalidVoterKey,
    /// The leader is shutting down.
    #[error("this node is shutting down")]
    BrokerNotAvailable,
    /// There is no such snapshot.
    #[error("there is no such snapshot")]
    SnapshotNotFound,
    /// The position lies outside the snapshot.
    #[error("the position lies outside the snapshot")]
    PositionOutOfRange,
    /// The remote node does not know this version of the request (a pre-vote, to a node before KIP-996).
    #[error("the version of the request is not supported")]
    UnsupportedVersion,
}

/// An epoch and who leads it, as far as the sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderAndEpoch {
    /// None while the leader is unknown.
    pub leader_id: Option<i32>,
    /// The leader epoch.
    pub epoch: i32,
}

/// What every answer says besides its own content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuorumInfo {
    /// Why the request was refused, if it was.
    pub error: Option<QuorumError>,
    /// The epoch of the answering node and its leader.
    pub leader: LeaderAndEpoch,
    /// Where that leader listens, when known.
    pub leader_endpoint: Option<Endpoint>,
}

/// Asks for a vote, or with `pre_vote` whether one would be given (KIP-996).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteRequest {
    /// Cluster id of the sender.
    pub cluster_id: Option<String>,
    /// Whom the request is meant for.
    pub voter_key: Option<ReplicaKey>,
    /// Who asks.
    pub replica_key: ReplicaKey,
    /// The epoch that the vote is for; of a pre-vote the epoch that the sender is in.
    pub replica_epoch: i32,
    /// End of the sender's log.
    pub last_offset: OffsetAndEpoch,
    /// Whether this is only a question.
    pub pre_vote: bool,
}

/// The answer to [`VoteRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteResponse {
    /// Error, epoch and leader.
    pub info: QuorumInfo,
    /// Whether the vote is, or would be, given.
    pub vote_granted: bool,
}

/// A new leader makes itself known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeginQuorumEpochRequest {
    /// Cluster id of the sender.
    pub cluster_id: Option<String>,
    /// Whom the request is meant for.
    pub voter_key: Option<ReplicaKey>,
    /// The leader and its epoch.
    pub leader_id: i32,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// Where the leader listens; empty before KIP-853.
    pub leader_endpoints: Endpoints,
}

/// A leader steps down, naming who should be next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndQuorumEpochRequest {
    /// Cluster id of the sender.
    pub cluster_id: Option<String>,
    /// The leader that steps down.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
    /// The other voters, the most up-to-date first.
    pub preferred_candidates: Vec<ReplicaKey>,
    /// Where the leader listens; empty before KIP-853.
    pub leader_endpoints: Endpoints,
}

/// A replica asks for what follows its log, and thereby says how far it has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    /// Cluster id of the sender.
    pub cluster_id: Option<String>,
    /// Who asks; a negative id is no replica.
    pub replica_key: ReplicaKey,
    /// The epoch that the sender is in.
    pub current_leader_epoch: i32,
    /// End of the sender's durable log.
    pub fetch_offset: i64,
    /// Epoch of the last record in it.
    pub last_fetched_epoch: i32,
    /// The high watermark that the sender knows: -1 for none, `i64::MAX` when it does not want news of it (KIP-1166).
    pub high_watermark: i64,
    /// How long the answer may be held back.
    pub max_wait_ms: i32,
    /// How many bytes the answer may hold.
    pub max_bytes: i32,
}

/// The answer to [`FetchRequest`]; `R` is a [`ReadRange`] where it leaves and batches where it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchAnswer<R> {
    /// Error, epoch and leader.
    pub info: QuorumInfo,
    /// The leader's high watermark, once it has one in its epoch.
    pub high_watermark: Option<i64>,
    /// Start of the leader's log.
    pub log_start_offset: i64,
    /// What the follower is to do.
    pub outcome: FetchOutcome<R>,
}

/// What a follower is to do with its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchOutcome<R> {
    /// Append these.
    Records(R),
    /// Cut: the log differs after this point.
    Diverging(OffsetAndEpoch),
    /// Fetch this snapshot: the log no longer reaches back so far.
    Snapshot(OffsetAndEpoch),
}

/// Records that the driver has to read from the log for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRange {
    /// First offset.
    pub start_offset: i64,
    /// End offset; no record at or above it.
    pub end_offset: i64,
    /// At most so many bytes, but at least one batch.
    pub max_bytes: i32,
}

/// Asks for a piece of a snapshot (KIP-630).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSnapshotRequest {
    /// Cluster id of the sender.
    pub cluster_id: Option<String>,
    /// Who asks.
    pub replica_key: ReplicaKey,
    /// The epoch that the sender is in.
    pub current_leader_epoch: i32,
    /// Which snapshot.
    pub snapshot_id: OffsetAndEpoch,
    /// From which byte on.
    pub position: i64,
    /// How many bytes at most.
    pub max_bytes: i32,
}

/// The answer to [`FetchSnapshotRequest`]; `R` is a byte count to read where it leaves and bytes where it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSnapshotAnswer<R> {
    /// Error, epoch and leader.
    pub info: QuorumInfo,
    /// The piece, if the snapshot is there.
    pub piece: Option<SnapshotPiece<R>>,
}

/// A piece of a snapshot file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPiece<R> {
    /// Which snapshot.
    pub snapshot_id: OffsetAndEpoch,
    /// Size of the whole file in bytes.
    pub size: i64,
    /// Position of the piece.
    pub position: i64,
    /// The bytes, or how many of them.
    pub bytes: R,
}

/// A request of the quorum, inbound or outbound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is its message")]
pub enum Request {
    Vote(VoteRequest),
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    EndQuorumEpoch(EndQuorumEpochRequest),
    Fetch(FetchRequest),
    FetchSnapshot(FetchSnapshotRequest),
}

/// An answer that leaves: records and snapshot pieces still have to be read by the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is its message")]
pub enum Reply {
    Vote(VoteResponse),
    BeginQuorumEpoch(QuorumInfo),
    EndQuorumEpoch(QuorumInfo),
    Fetch(FetchAnswer<ReadRange>),
    FetchSnapshot(FetchSnapshotAnswer<i32>),
}

/// An answer that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is its message")]
pub enum Response {
    Vote(VoteResponse),
    BeginQuorumEpoch(QuorumInfo),
    EndQuorumEpoch(QuorumInfo),
    Fetch(FetchAnswer<Vec<Batch>>),
    FetchSnapshot(FetchSnapshotAnswer<Bytes>),
}
