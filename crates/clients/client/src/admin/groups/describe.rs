//! What groups look like.

use std::collections::BTreeMap;

use bytes::Bytes;
use klamm_assignors::Assignment;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::consumer_group_describe_response as consumer;
use klamm_protocol::messages::describe_groups_response as classic;
use klamm_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, DescribeGroupsRequest, DescribeGroupsResponse,
};

use super::{GroupCall, GroupState, GroupType};
use crate::admin::{Admin, Each, in_order};
use crate::{Error, TopicPartition};

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupDescription {
    /// Its id.
    pub group_id: String,
    /// How it is run.
    pub group_type: GroupType,
    /// What it is doing.
    pub state: GroupState,
    /// What it is for: `consumer`, `connect` and so on; empty for one that only has offsets.
    pub protocol_type: String,
    /// The assignor that its members agreed on, such as `range`; empty while they have not.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Its members.
    pub members: Vec<MemberDescription>,
    /// The epoch of the group and that of its assignment; of groups that the coordinator runs (KIP-848).
    pub epochs: Option<(i32, i32)>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from, as `/127.0.0.1`.
    pub client_host: String,
    /// `client.rack`, if it told.
    pub rack: Option<String>,
    /// Its partitions.
    pub assignment: Vec<TopicPartition>,
    /// The partitions that it is to have (KIP-848).
    pub target_assignment: Option<Vec<TopicPartition>>,
    /// Its epoch (KIP-848).
    pub member_epoch: Option<i32>,
    /// Whether it speaks the protocol of KIP-848, in a group that the coordinator runs; `None` if the broker did not tell.
    pub is_upgraded: Option<bool>,
    /// What it said of itself when it joined, in its protocol's format; of groups that a member runs.
    pub metadata: Bytes,
    /// What it was assigned, in its protocol's format; of groups that a member runs.
    pub raw_assignment: Bytes,
}

impl Admin {
    /// Describes groups, those that a member runs and those that the coordinator runs. ConsumerGroupDescribe 0-1 (KIP-848)
    /// for the groups that are of that kind, DescribeGroups 0-6 for the others; sent to the coordinators.
    ///
    /// # Errors
    /// Per group: GROUP_ID_NOT_FOUND (brokers before 4.0 answer with a group that is [`GroupState::Dead`]),
    /// INVALID_GROUP_ID.
    pub async fn describe_groups(&self, groups: &[String]) -> Result<Each<String, GroupDescription>, Error> {
        let mut answers = BTreeMap::new();
        let mut others = BTreeMap::new();
        for (group, answer) in self.ask_coordinators(&DescribeConsumerGroups, groups).await? {
            match answer {
                Err(error) if is_of_another_kind(&error) => drop(others.insert(group, error)),
                answer => drop(answers.insert(group, answer)),
            }
        }
        let classic: Vec<String> = others.keys().cloned().collect();
        if !classic.is_empty() {
            for (group, answer) in self.ask_coordinators(&DescribeClassicGroups, &classic).await? {
                // A group of neither kind is told in the words of the first answer, as by Java's client.
                let first = others.remove(&group).filter(is_missing);
                let answer = answer.map_err(|error| match first {
                    Some(first) if is_missing(&error) => first,
                    _ => error,
                });
                answers.insert(group, answer);
            }
        }
        Ok(in_order(groups.iter().cloned(), answers))
    }
}

fn is_of_another_kind(error: &Error) -> bool {
    let codes = [ErrorCode::GROUP_ID_NOT_FOUND, ErrorCode::UNSUPPORTED_VERSION];
    matches!(error, Error::Unsupported { .. }) || error.code().is_some_and(|code| codes.contains(&code))
}

fn is_missing(error: &Error) -> bool {
    error.code() == Some(ErrorCode::GROUP_ID_NOT_FOUND)
}

#[derive(Clone)]
struct DescribeClassicGroups;

impl GroupCall for DescribeClassicGroups {
    type Request = DescribeGroupsRequest;
    type Item = GroupDescription;
    const WHAT: &'static str = "DescribeGroups";

    fn request(&self, _: i16, groups: &[String]) -> DescribeGroupsRequest {
        DescribeGroupsRequest {
            groups: groups.to_vec(),
            ..Default::default()
        }
    }

    fn read(
        &self,
        _: i16,
        coordinator: i32,
        _: &[String],
        response: DescribeGroupsResponse,
    ) -> Vec<(String, Result<GroupDescription, Error>)> {
        let groups = response.groups.into_iter();
        groups
            .map(|group| (group.group_id.clone(), classic_group(group, coordinator)))
            .collect()
    }
}

fn classic_group(group: classic::DescribedGroup, coordinator: i32) -> Result<GroupDescription, Error> {
    Error::check_with(group.error_code, group.error_message)?;
    let is_consumer = matches!(group.protocol_type.as_str(), "consumer" | "");
    let members = group.members.into_iter().map(|member| MemberDescription {
        member_id: member.member_id,
        instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        rack: None,
        // A member's own bytes: what is not an assignment is shown as none, as in Java's tools.
        assignment: match is_consumer {
            true => Assignment::read(member.member_assignment.clone()).unwrap_or_default(),
            false => Vec::new(),
        },
        target_assignment: None,
        member_epoch: None,
        is_upgraded: None,
        metadata: member.member_metadata,
        raw_assignment: member.member_assignment,
    });
    Ok(GroupDescription {
        group_id: group.group_id,
        group_type: GroupType::Classic,
        state: GroupState::from(group.group_state.as_str()),
        protocol_type: group.protocol_type,
        assignor: group.protocol_data,
        coordinator,
        members: members.collect(),
        epochs: None,
    })
}

#[derive(Clone)]
struct DescribeConsumerGroups;

impl GroupCall for DescribeConsumerGroups {
    type Request = ConsumerGroupDescribeRequest;
    type Item = GroupDescription;
    const WHAT: &'static str = "DescribeGroups";

    fn request(&self, _: i16, groups: &[String]) -> ConsumerGroupDescribeRequest {
        ConsumerGroupDescribeRequest {
            group_ids: groups.to_vec(),
            ..Default::default()
        }
    }

    fn read(
        &self,
        _: i16,
        coordinator: i32,
        _: &[String],
        response: ConsumerGroupDescribeResponse,
    ) -> Vec<(String, Result<GroupDescription, Error>)> {
        let groups = response.groups.into_iter();
        groups
            .map(|group| (group.group_id.clone(), consumer_group(group, coordinator)))
            .collect()
    }
}

fn consumer_group(group: consumer::DescribedGroup, coordinator: i32) -> Result<GroupDescription, Error> {
    Error::check_with(group.error_code, group.error_message)?;
    let members = group.members.into_iter().map(|member| MemberDescription {
        member_id: member.member_id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        rack: member.rack_id,
        assignment: partitions(member.assignment),
        target_assignment: Some(partitions(member.target_assignment)),
        member_epoch: Some(member.member_epoch),
        is_upgraded: match member.member_type {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        metadata: Bytes::new(),
        raw_assignment: Bytes::new(),
    });
    Ok(GroupDescription {
        group_id: group.group_id,
        group_type: GroupType::Consumer,
        state: GroupState::from(group.group_state.as_str()),
        protocol_type: "consumer".to_owned(),
        assignor: group.assignor_name,
        coordinator,
        members: members.collect(),
        epochs: Some((group.group_epoch, group.assignment_epoch)),
    })
}

fn partitions(assignment: consumer::Assignment) -> Vec<TopicPartition> {
    let topics = assignment.topic_partitions.into_iter().flat_map(|topic| {
        let name: std::sync::Arc<str> = topic.topic_name.into();
        topic
            .partitions
            .into_iter()
            .map(move |partition| TopicPartition::new(name.clone(), partition))
    });
    topics.collect()
}
