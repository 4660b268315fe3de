//! Classic groups and their offsets, static members, coordinators.

use bytes::Bytes;
use klamm_protocol::ErrorCode;
use klamm_protocol::messages::*;

use super::NO_SUCH_ID;
use crate::answers::Answers;
use crate::client::*;
use crate::node::Broker;

async fn join(
    connection: &mut Connection,
    group: &str,
    member: &str,
    change: impl Fn(&mut JoinGroupRequest),
) -> JoinGroupResponse {
    let protocol = join_group_request::JoinGroupRequestProtocol {
        name: "range".to_owned(),
        metadata: Bytes::from_static(b"metadata"),
        ..Default::default()
    };
    let mut request = JoinGroupRequest {
        group_id: group.to_owned(),
        member_id: member.to_owned(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".to_owned(),
        protocols: vec![protocol],
        ..Default::default()
    };
    change(&mut request);
    connection.call(&request).await
}

#[tokio::test]
async fn classic_groups_answer_as_kafkas_do() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let (t, group, nowhere) = (unique("t"), unique("group"), unique("nowhere"));
    node.create(&t, 2).await;
    node.find_coordinator(&group).await;
    node.find_coordinator(&nowhere).await;
    let mut answers = Answers::to("classic groups");

    let error = join(&mut node, "", "", |_| {}).await.error_code;
    answers.row("join a group without a name", error.name(), "INVALID_GROUP_ID");
    let error = join(&mut node, &group, "", |request| request.session_timeout_ms = 1)
        .await
        .error_code;
    answers.row("a session of 1 ms", error.name(), "INVALID_SESSION_TIMEOUT");
    let error = join(&mut node, &group, "", |request| request.session_timeout_ms = i32::MAX)
        .await
        .error_code;
    answers.row("a session of 24 days", error.name(), "INVALID_SESSION_TIMEOUT");
    let error = join(&mut node, &group, "me", |_| {}).await.error_code;
    answers.row("a member that nobody knows", error.name(), "UNKNOWN_MEMBER_ID");
    let error = join(&mut node, &group, "", |request| request.protocols.clear())
        .await
        .error_code;
    answers.row("no protocols", error.name(), "INCONSISTENT_GROUP_PROTOCOL");
    let error = join(&mut node, &group, "", |request| request.protocol_type.clear())
        .await
        .error_code;
    answers.row("no protocol type", error.name(), "INCONSISTENT_GROUP_PROTOCOL");

    let reply = join(&mut node, &group, "", |_| {}).await;
    answers.row("the first time", reply.error_code.name(), "MEMBER_ID_REQUIRED");
    answers.row(
        "a member id from the client's",
        reply.member_id.starts_with("klamm-it-"),
        "true",
    );
    let reply = join(&mut node, &group, &reply.member_id, |_| {}).await;
    let member = reply.member_id.clone();
    let said = format!(
        "{} generation {} {:?} {:?} leads: {} members: {}",
        reply.error_code.name(),
        reply.generation_id,
        reply.protocol_type,
        reply.protocol_name,
        reply.leader == member,
        reply.members.len()
    );
    answers.row(
        "the second",
        said,
        "NONE generation 1 Some(\"consumer\") Some(\"range\") leads: true members: 1",
    );

    let sync = |generation_id, member: &str, protocol: &str| SyncGroupRequest {
        group_id: group.clone(),
        generation_id,
        member_id: member.to_owned(),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some(protocol.to_owned()),
        assignments: vec![sync_group_request::SyncGroupRequestAssignment {
            member_id: member.to_owned(),
            assignment: Bytes::from_static(b"mine"),
            ..Default::default()
        }],
        ..Default::default()
    };
    for (question, request, kafka) in [
        ("sync of an unknown member", sync(1, "me", "range"), "UNKNOWN_MEMBER_ID"),
        (
            "sync of another generation",
            sync(7, &member, "range"),
            "ILLEGAL_GENERATION",
        ),
        (
            "sync of another protocol",
            sync(1, &member, "sticky"),
            "INCONSISTENT_GROUP_PROTOCOL",
        ),
        (
            "sync of a group that is not there",
            SyncGroupRequest {
                group_id: nowhere.clone(),
                ..sync(1, "me", "range")
            },
            "UNKNOWN_MEMBER_ID",
        ),
        ("sync", sync(1, &member, "range"), "NONE"),
        ("sync again", sync(1, &member, "range"), "NONE"),
    ] {
        let reply = node.call(&request).await;
        answers.row(question, reply.error_code.name(), kafka);
        if reply.error_code == ErrorCode::NONE {
            answers.row(
                "brings the assignment",
                String::from_utf8_lossy(&reply.assignment),
                "mine",
            );
        }
    }

    for (question, group, generation_id, member_id, kafka) in [
        ("heartbeat", &group, 1, member.as_str(), "NONE"),
        (
            "heartbeat of another generation",
            &group,
            2,
            &member,
            "ILLEGAL_GENERATION",
        ),
        ("heartbeat of an unknown member", &group, 1, "me", "UNKNOWN_MEMBER_ID"),
        (
            "heartbeat to a group that is not there",
            &nowhere,
            1,
            "me",
            "UNKNOWN_MEMBER_ID",
        ),
        ("heartbeat to no group", &String::new(), 1, "me", "INVALID_GROUP_ID"),
    ] {
        let request = HeartbeatRequest {
            group_id: group.clone(),
            generation_id,
            member_id: member_id.to_owned(),
            ..Default::default()
        };
        answers.row(question, node.call(&request).await.error_code.name(), kafka);
    }

    let commit = |group: &str, generation, member: &str| OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: member.to_owned(),
        ..commit_request(group, &t, 0, 5)
    };
    let mut wordy = commit(&group, 1, &member);
    wordy.topics[0].partitions[0].committed_metadata = Some("x".repeat(4097));
    let mut elsewhere = commit(&group, 1, &member);
    elsewhere.topics[0].partitions[0].partition_index = 9;
    let mut unknown_topic = commit(&group, 1, &member);
    unknown_topic.topics[0].name = unique("unknown");
    for (question, request, kafka) in [
        ("commit", commit(&group, 1, &member), "NONE"),
        (
            "commit of another generation",
            commit(&group, 2, &member),
            "ILLEGAL_GENERATION",
        ),
        (
            "commit of an unknown member",
            commit(&group, 1, "me"),
            "UNKNOWN_MEMBER_ID",
        ),
        (
            "commit from outside of a group with members",
            commit(&group, -1, ""),
            "UNKNOWN_MEMBER_ID",
        ),
        (
            "commit of a group that is not there",
            commit(&nowhere, 1, "me"),
            "GROUP_ID_NOT_FOUND",
        ),
        ("commit with too much metadata", wordy, "OFFSET_METADATA_TOO_LARGE"),
        (
            "commit of an unknown partition",
            elsewhere,
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
        (
            "commit of an unknown topic",
            unknown_topic,
            "UNKNOWN_TOPIC_OR_PARTITION",
        ),
    ] {
        let reply = node.call_version(&request, OFFSETS_BY_NAME).await;
        answers.row(question, reply.topics[0].partitions[0].error_code.name(), kafka);
    }
    let mut by_id = commit(&group, 1, &member);
    by_id.topics[0].topic_id = NO_SUCH_ID;
    let reply = node.call_version(&by_id, 10).await;
    answers.row(
        "commit by an unknown id",
        reply.topics[0].partitions[0].error_code.name(),
        "UNKNOWN_TOPIC_ID",
    );

    let offsets = node.committed_offsets(&group).await;
    answers.row(
        "all offsets",
        format!("{:?}", offsets) == format!("{:?}", (ErrorCode::NONE, vec![(t.clone(), 0, 5i64)])),
        "true",
    );
    let offsets = node.committed_offsets(&unique("other")).await;
    answers.row(
        "offsets of a group that is not there",
        format!("{} {}", offsets.0.name(), offsets.1.len()),
        "NONE 0",
    );
    let asked = offset_fetch_request::OffsetFetchRequestTopics {
        name: t.clone(),
        partition_indexes: vec![0, 1, 9],
        ..Default::default()
    };
    let asked = offset_fetch_request::OffsetFetchRequestGroup {
        group_id: group.clone(),
        topics: Some(vec![asked]),
        ..Default::default()
    };
    let request = OffsetFetchRequest {
        groups: vec![asked],
        ..Default::default()
    };
    let reply = node.call_version(&request, OFFSETS_BY_NAME).await;
    let partitions: Vec<_> = reply.groups[0].topics[0]
        .partitions
        .iter()
        .map(|p| {
            format!(
                "{} {} {} {:?} {}",
                p.partition_index,
                p.committed_offset,
                p.committed_leader_epoch,
                p.metadata,
                p.error_code.name()
            )
        })
        .collect();
    let kafka = "0 5 -1 Some(\"\") NONE, 1 -1 -1 Some(\"\") NONE, 9 -1 -1 Some(\"\") NONE";
    answers.row("offsets of partitions", partitions.join(", "), kafka);

    let reply = node
        .call(&DescribeGroupsRequest {
            groups: vec![group.clone()],
            ..Default::default()
        })
        .await;
    let described = &reply.groups[0];
    let said = format!(
        "{} {} {} {} {} {:?}",
        described.error_code.name(),
        described.group_state,
        described.protocol_type,
        described.protocol_data,
        described.members[0].client_id,
        String::from_utf8_lossy(&described.members[0].member_assignment)
    );
    answers.row("describe", said, "NONE Stable consumer range klamm-it \"mine\"");
    let reply = node
        .call(&DescribeGroupsRequest {
            groups: vec![nowhere.clone()],
            ..Default::default()
        })
        .await;
    let said = format!("{} {}", reply.groups[0].error_code.name(), reply.groups[0].group_state);
    answers.row("describe a group that is not there", said, "GROUP_ID_NOT_FOUND Dead");
    let request = DescribeGroupsRequest {
        groups: vec![nowhere.clone()],
        ..Default::default()
    };
    let reply = node.call_version(&request, 5).await;
    let said = format!("{} {}", reply.groups[0].error_code.name(), reply.groups[0].group_state);
    answers.row("the same in version 5", said, "NONE Dead");

    let listed = |states: &[&str], types: &[&str]| ListGroupsRequest {
        states_filter: states.iter().map(|&state| state.to_owned()).collect(),
        types_filter: types.iter().map(|&kind| kind.to_owned()).collect(),
        ..Default::default()
    };
    for (question, request, kafka) in [
        ("list all", listed(&[], &[]), "NONE consumer Stable classic"),
        (
            "list stable ones",
            listed(&["Stable"], &[]),
            "NONE consumer Stable classic",
        ),
        (
            "list stable ones in small letters",
            listed(&["stable"], &["Classic"]),
            "NONE consumer Stable classic",
        ),
        ("list empty ones", listed(&["Empty"], &[]), "NONE"),
        ("list a state that is none", listed(&["Happy"], &[]), "NONE"),
        ("list others", listed(&[], &["consumer"]), "NONE"),
    ] {
        let reply = node.call(&request).await;
        let mut said = reply.error_code.name().to_owned();
        for found in reply.groups.iter().filter(|found| found.group_id == group) {
            said += &format!(" {} {} {}", found.protocol_type, found.group_state, found.group_type);
        }
        answers.row(question, said, kafka);
    }

    let delete_offset = |group: &str, topic: &str| OffsetDeleteRequest {
        group_id: group.to_owned(),
        topics: vec![offset_delete_request::OffsetDeleteRequestTopic {
            name: topic.to_owned(),
            partitions: vec![offset_delete_request::OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let offset_deleted = |reply: &OffsetDeleteResponse| {
        let partition = reply.topics.first().map(|topic| topic.partitions[0].error_code.name());
        format!("{} {partition:?}", reply.error_code.name())
    };
    let reply = node.call(&delete_offset(&unique("other"), &t)).await;
    answers.row(
        "delete offsets of a group that is not there",
        offset_deleted(&reply),
        "GROUP_ID_NOT_FOUND None",
    );

    for (question, name, kafka) in [
        ("delete a group with members", &group, "NON_EMPTY_GROUP"),
        (
            "delete a group that is not there",
            &unique("other"),
            "GROUP_ID_NOT_FOUND",
        ),
        ("delete a group without a name", &String::new(), "GROUP_ID_NOT_FOUND"),
    ] {
        let reply = node
            .call(&DeleteGroupsRequest {
                groups_names: vec![name.clone()],
                ..Default::default()
            })
            .await;
        answers.row(question, reply.results[0].error_code.name(), kafka);
    }

    let leave = |group: &str, member: &str| LeaveGroupRequest {
        group_id: group.to_owned(),
        members: vec![leave_group_request::MemberIdentity {
            member_id: member.to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    for (question, request, kafka) in [
        (
            "leave, unknown member",
            leave(&group, "me"),
            "NONE [\"UNKNOWN_MEMBER_ID\"]",
        ),
        (
            "leave a group that is not there",
            leave(&unique("other"), "me"),
            "NONE [\"UNKNOWN_MEMBER_ID\"]",
        ),
        ("leave", leave(&group, &member), "NONE [\"NONE\"]"),
    ] {
        let reply = node.call(&request).await;
        let members: Vec<_> = reply.members.iter().map(|member| member.error_code.name()).collect();
        answers.row(question, format!("{} {members:?}", reply.error_code.name()), kafka);
    }
    let error = node.commit(&group, &t, 1, 9).await;
    answers.row("commit from outside of an empty group", error.name(), "NONE");
    let reply = node.call(&delete_offset(&group, &t)).await;
    answers.row("delete an offset", offset_deleted(&reply), "NONE Some(\"NONE\")");
    let offsets = node.committed_offsets(&group).await.1;
    answers.row("it is gone", offsets.len(), "1");
    let reply = node
        .call(&DeleteGroupsRequest {
            groups_names: vec![group.clone()],
            ..Default::default()
        })
        .await;
    answers.row("delete the empty group", reply.results[0].error_code.name(), "NONE");
    let offsets = node.committed_offsets(&group).await.1;
    answers.row("its offsets are gone", offsets.len(), "0");
    answers.done();
}

#[tokio::test]
async fn static_members_and_conflicts_get_kafkas_answers() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    let group = unique("static");
    node.find_coordinator(&group).await;
    let mut answers = Answers::to("static members");
    let instance = |request: &mut JoinGroupRequest| request.group_instance_id = Some("i1".to_owned());
    let first = join(&mut node, &group, "", instance).await;
    answers.row("no second round", first.error_code.name(), "NONE");
    answers.row("an id from the instance's", first.member_id.starts_with("i1-"), "true");
    let sync = SyncGroupRequest {
        group_id: group.clone(),
        generation_id: first.generation_id,
        member_id: first.member_id.clone(),
        group_instance_id: Some("i1".to_owned()),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: vec![sync_group_request::SyncGroupRequestAssignment {
            member_id: first.member_id.clone(),
            assignment: Bytes::from_static(b"mine"),
            ..Default::default()
        }],
        ..Default::default()
    };
    answers.row("sync", node.call(&sync).await.error_code.name(), "NONE");
    let second = join(&mut node, &group, "", instance).await;
    let said = format!(
        "{} generation {} skip {}",
        second.error_code.name(),
        second.generation_id,
        second.skip_assignment
    );
    answers.row("it comes back", said, "NONE generation 1 skip true");
    answers.row("under a new id", second.member_id != first.member_id, "true");
    let heartbeat = |member: &str| HeartbeatRequest {
        group_id: group.clone(),
        generation_id: 1,
        member_id: member.to_owned(),
        group_instance_id: Some("i1".to_owned()),
        ..Default::default()
    };
    answers.row(
        "its former self",
        node.call(&heartbeat(&first.member_id)).await.error_code.name(),
        "FENCED_INSTANCE_ID",
    );
    answers.row(
        "its new self",
        node.call(&heartbeat(&second.member_id)).await.error_code.name(),
        "NONE",
    );
    let other_type = join(&mut node, &group, "", |request| {
        request.protocol_type = "connect".to_owned()
    })
    .await;
    answers.row(
        "another protocol type",
        other_type.error_code.name(),
        "INCONSISTENT_GROUP_PROTOCOL",
    );
    let other = join(&mut node, &group, "", |request| {
        request.protocols[0].name = "sticky".to_owned()
    })
    .await;
    answers.row(
        "no protocol in common",
        other.error_code.name(),
        "INCONSISTENT_GROUP_PROTOCOL",
    );
    let leave = LeaveGroupRequest {
        group_id: group.clone(),
        members: vec![leave_group_request::MemberIdentity {
            group_instance_id: Some("i1".to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    let reply = node.call(&leave).await;
    answers.row("removed by instance", reply.members[0].error_code.name(), "NONE");
    answers.done();
}

#[tokio::test]
async fn find_coordinator_answers_as_kafka_does() {
    let broker = Broker::start().await;
    let mut node = broker.connect().await;
    node.find_coordinator(&unique("group")).await;
    let mut answers = Answers::to("FindCoordinator");
    let request = FindCoordinatorRequest {
        coordinator_keys: vec!["a".to_owned(), "b".to_owned(), String::new()],
        ..Default::default()
    };
    let reply = node.call(&request).await;
    let said: Vec<_> = reply
        .coordinators
        .iter()
        .map(|found| format!("{:?} {} {}", found.key, found.error_code.name(), found.node_id))
        .collect();
    answers.row(
        "three groups",
        said.join(", "),
        "\"a\" NONE 1, \"b\" NONE 1, \"\" NONE 1",
    );
    let reply = node
        .call_version(
            &FindCoordinatorRequest {
                key: "a".to_owned(),
                ..Default::default()
            },
            3,
        )
        .await;
    answers.row(
        "the old way",
        format!("{} {}", reply.error_code.name(), reply.node_id),
        "NONE 1",
    );
    let request = FindCoordinatorRequest {
        key_type: 9,
        coordinator_keys: vec!["a".to_owned()],
        ..Default::default()
    };
    let reply = node.call(&request).await;
    answers.row(
        "an unknown type",
        reply.coordinators[0].error_code.name(),
        "INVALID_REQUEST",
    );
    answers.done();
}
