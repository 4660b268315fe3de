//! Where a request goes.

use std::time::Duration;

use bytes::Bytes;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages as m;

/// Who is to answer a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// Any node; another one is tried when it can't be reached.
    Any,
    /// The broker of this id (the controller, for a client of controllers).
    Broker(i32),
    /// The controller. A broker passes on what is meant for the controller, so any broker will do when none is known.
    Controller,
    /// Whoever is at `host:port`.
    Address(String),
}

/// A connection's purpose. Each broker has one connection per lane, so that a long poll never delays a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Admin calls, metadata and everything else.
    General,
    /// Produce.
    Produce,
    /// Fetch.
    Fetch,
    /// A group's join, heartbeats and commits.
    Coordinator,
}

/// How one request is sent.
#[derive(Clone, Debug)]
pub(crate) struct RequestOptions {
    pub(crate) lane: Lane,
    /// No newer version than this, for a request that newer ones can't say.
    pub(crate) newest: i16,
    /// `None`: `request.timeout.ms`.
    pub(crate) timeout: Option<Duration>,
    /// The bytes of each `Records::External` in the request, by its id. They are written from where they lie.
    pub(crate) records: Vec<Bytes>,
    /// False for Produce with acks=0.
    pub(crate) answered: bool,
}

impl RequestOptions {
    pub(crate) fn new(lane: Lane) -> RequestOptions {
        RequestOptions {
            lane,
            newest: i16::MAX,
            timeout: None,
            records: Vec::new(),
            answered: true,
        }
    }
}

/// A reply in which a node can say that it is not the controller.
pub(crate) trait ControllerReply {
    fn not_controller(&self) -> bool;
}

macro_rules! controller_replies {
    ($($response:ident: |$reply:ident| $codes:expr;)*) => {$(
        impl ControllerReply for m::$response {
            fn not_controller(&self) -> bool {
                let $reply = self;
                let mut codes = $codes;
                codes.any(|code| code == ErrorCode::NOT_CONTROLLER)
            }
        }
    )*};
}

controller_replies! {
    CreateTopicsResponse: |reply| reply.topics.iter().map(|topic| topic.error_code);
    DeleteTopicsResponse: |reply| reply.responses.iter().map(|topic| topic.error_code);
    CreatePartitionsResponse: |reply| reply.results.iter().map(|topic| topic.error_code);
    AlterConfigsResponse: |reply| reply.responses.iter().map(|resource| resource.error_code);
    IncrementalAlterConfigsResponse: |reply| reply.responses.iter().map(|resource| resource.error_code);
    ElectLeadersResponse: |reply| std::iter::once(reply.error_code);
    AlterPartitionReassignmentsResponse: |reply| std::iter::once(reply.error_code);
    ListPartitionReassignmentsResponse: |reply| std::iter::once(reply.error_code);
    UpdateFeaturesResponse: |reply| std::iter::once(reply.error_code);
    UnregisterBrokerResponse: |reply| std::iter::once(reply.error_code);
    UnregisterControllerResponse: |reply| std::iter::once(reply.error_code);
    DescribeQuorumResponse: |reply| std::iter::once(reply.error_code);
    AddRaftVoterResponse: |reply| std::iter::once(reply.error_code);
    RemoveRaftVoterResponse: |reply| std::iter::once(reply.error_code);
    DescribeClusterResponse: |reply| std::iter::once(reply.error_code);
}
