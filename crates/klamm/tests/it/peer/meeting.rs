//! Two members in one group: what each is told while the other comes, goes and is replaced.

use bytes::Bytes;
use klamm_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use klamm_protocol::messages::*;

use super::pair::{At, Pair};
use crate::client::*;

pub(super) async fn ask(pair: &mut Pair) {
    for version in [5, 9] {
        two(pair, version).await;
        replaced(pair, version).await;
    }
}

fn joining(group: &str, member: &str, name: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        member_id: member.to_owned(),
        group_instance_id: name.map(str::to_owned),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from_static(b"metadata"),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn synchronising(group: &str, member: &str, name: Option<&str>, generation_id: i32, to: &[&str]) -> SyncGroupRequest {
    let assignment = |member: &&str| sync_group_request::SyncGroupRequestAssignment {
        member_id: (*member).to_owned(),
        assignment: Bytes::from_static(b"assignment"),
        ..Default::default()
    };
    SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id,
        member_id: member.to_owned(),
        group_instance_id: name.map(str::to_owned),
        protocol_type: Some("consumer".to_owned()),
        protocol_name: Some("range".to_owned()),
        assignments: to.iter().map(assignment).collect(),
        ..Default::default()
    }
}

fn ids(replies: [Option<JoinGroupResponse>; 2]) -> [String; 2] {
    replies.map(|reply| reply.map_or(String::new(), |reply| reply.member_id))
}

/// What a member of a generation may ask at any time.
async fn questions(pair: &mut Pair, when: &str, group: &str, topic: &str, name: Option<&str>, generation: i32) {
    pair.ask(&format!("{when}: heartbeat"), 4, |at| HeartbeatRequest {
        group_id: group.to_owned(),
        generation_id: generation,
        member_id: at.own.member.clone(),
        group_instance_id: name.map(str::to_owned),
        ..Default::default()
    })
    .await;
    pair.ask(&format!("{when}: commit"), 8, |at| OffsetCommitRequest {
        generation_id_or_member_epoch: generation,
        member_id: at.own.member.clone(),
        group_instance_id: name.map(str::to_owned),
        ..commit_request(group, topic, 0, 5)
    })
    .await;
    for (what, generation) in [("old", generation - 1), ("next", generation + 1)] {
        pair.ask(&format!("{when}: sync of the {what} generation"), 5, |at| {
            synchronising(group, &at.own.member, name, generation, &[])
        })
        .await;
    }
    pair.ask(&format!("{when}: described"), 5, |_| DescribeGroupsRequest {
        groups: vec![group.to_owned()],
        ..Default::default()
    })
    .await;
    pair.ask(&format!("{when}: deleted"), 2, |_| DeleteGroupsRequest {
        groups_names: vec![group.to_owned()],
        ..Default::default()
    })
    .await;
}

async fn two(pair: &mut Pair, version: i16) {
    let topic = pair.topic("met", 1, &[]).await;
    let group = pair.name("meeting");
    let first = pair.ask("first: join", version, |_| joining(&group, "", None)).await;
    pair.remember_members(ids(first));
    let first = pair
        .ask("first: join with the id", version, |at| {
            joining(&group, &at.own.member, None)
        })
        .await;
    let first = ids(first);
    questions(pair, "before sync", &group, &topic, None, 1).await;
    pair.ask("first: sync", 5, |at| {
        synchronising(&group, &at.own.member, None, 1, &[&at.own.member])
    })
    .await;
    questions(pair, "alone", &group, &topic, None, 1).await;
    let second = pair.ask("second: join", version, |_| joining(&group, "", None)).await;
    pair.remember_members(ids(second));
    let second = pair
        .begin("second: join with the id", version, |at: &At<'_>| {
            joining(&group, &at.own.member, None)
        })
        .await;
    pair.until_group_is(&group, "PreparingRebalance").await;
    let seconds = pair.members();
    pair.remember_members(first.clone());
    questions(pair, "second joins", &group, &topic, None, 1).await;
    pair.ask("second joins: sync", 5, |at| {
        synchronising(&group, &at.own.member, None, 1, &[&at.own.member])
    })
    .await;
    pair.ask("first: join again", version, |at| joining(&group, &at.own.member, None))
        .await;
    second.end(pair).await;
    questions(pair, "both joined", &group, &topic, None, 2).await;
    pair.remember_members(seconds.clone());
    let waiting = pair
        .begin("second: sync", 5, |at: &At<'_>| {
            synchronising(&group, &at.own.member, None, 2, &[])
        })
        .await;
    questions(pair, "second waits", &group, &topic, None, 2).await;
    pair.remember_members(first);
    pair.ask("first: sync without the second", 5, |at| {
        synchronising(&group, &at.own.member, None, 2, &[&at.own.member])
    })
    .await;
    waiting.end(pair).await;
    questions(pair, "both there", &group, &topic, None, 2).await;
    pair.ask("first: leave", 3, |at| LeaveGroupRequest {
        group_id: group.clone(),
        members: vec![leave_group_request::MemberIdentity {
            member_id: at.own.member.clone(),
            ..Default::default()
        }],
        ..Default::default()
    })
    .await;
    questions(pair, "first has left", &group, &topic, None, 2).await;
    pair.remember_members(seconds);
    questions(pair, "second is left over", &group, &topic, None, 2).await;
    pair.ask("second: join again", version, |at| {
        joining(&group, &at.own.member, None)
    })
    .await;
    questions(pair, "second alone", &group, &topic, None, 3).await;
}

/// A static member whose name another process takes.
async fn replaced(pair: &mut Pair, version: i16) {
    let topic = pair.topic("met", 1, &[]).await;
    let group = pair.name("replaced");
    let name = Some("i");
    let old = pair.ask("old: join", version, |_| joining(&group, "", name)).await;
    let old = ids(old);
    pair.remember_members(old.clone());
    pair.ask("old: sync", 5, |at| {
        synchronising(&group, &at.own.member, name, 1, &[&at.own.member])
    })
    .await;
    questions(pair, "static, alone", &group, &topic, name, 1).await;
    let new = pair.ask("new: join", version, |_| joining(&group, "", name)).await;
    let new = ids(new);
    questions(pair, "old, after it was replaced", &group, &topic, name, 1).await;
    pair.ask("old: join again", version, |at| joining(&group, &at.own.member, name))
        .await;
    pair.ask("old: leave", 5, |at| LeaveGroupRequest {
        group_id: group.clone(),
        members: vec![leave_group_request::MemberIdentity {
            member_id: at.own.member.clone(),
            group_instance_id: name.map(str::to_owned),
            ..Default::default()
        }],
        ..Default::default()
    })
    .await;
    pair.remember_members(new);
    questions(pair, "new", &group, &topic, name, 1).await;
    pair.ask("new: sync", 5, |at| {
        synchronising(&group, &at.own.member, name, 1, &[&at.own.member])
    })
    .await;
    let other = pair
        .ask("new: join with other metadata", version, |at| {
            let mut request = joining(&group, &at.own.member, name);
            request.protocols[0].metadata = Bytes::from_static(b"other");
            request
        })
        .await;
    pair.remember_members(ids(other));
    questions(pair, "new, with other metadata", &group, &topic, name, 2).await;
    for (case, members) in [
        ("a stranger and itself", &["j", "i"][..]),
        ("twice", &["i", "i"]),
        ("nobody is left", &["i"]),
    ] {
        pair.ask(&format!("leave: {case}"), 5, |_| LeaveGroupRequest {
            group_id: group.clone(),
            members: members
                .iter()
                .map(|name| leave_group_request::MemberIdentity {
                    group_instance_id: Some((*name).to_owned()),
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        })
        .await;
    }
}
