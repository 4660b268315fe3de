//! Scripts: one replica, what happens to it, and what it wants done.

use super::*;
use crate::messages::*;
use crate::{Endpoint, Endpoints, EpochStart, LeaderChange, Node, RaftFault, Uuid, VoterNode, encode_control_batch};

const LISTENER: &str = "CONTROLLER";

fn endpoint(id: i32) -> Endpoint {
    Endpoint {
        host: format!("c{id}"),
        port: 9093,
    }
}

fn key(id: i32) -> ReplicaKey {
    let directory = u128::from(id.unsigned_abs());
    ReplicaKey {
        id,
        directory_id: Some(Uuid::from_u128(directory)),
    }
}

fn static_voters(ids: &[i32]) -> VoterSet {
    VoterSet::of_static(LISTENER, ids.iter().map(|id| (*id, endpoint(*id))))
}

fn dynamic_voters(ids: &[i32]) -> VoterSet {
    VoterSet::new(ids.iter().map(|id| VoterNode {
        key: key(*id),
        listeners: Endpoints::from([(LISTENER.to_owned(), endpoint(*id))]),
        min_kraft_version: 0,
        max_kraft_version: 1,
    }))
}

/// A replica in a script. What is to be persisted is remembered, so that `crash` knows what the disk says.
struct Script {
    raft: Raft,
    out: Outbox,
    recovered: Recovered,
    asked: Option<ElectionState>,
    requests: u64,
}

impl Script {
    fn of(id: i32, recovered: Recovered) -> Self {
        let directory = key(id).directory_id.unwrap();
        let mut config = RaftConfig::new("cluster".to_owned(), id, directory, LISTENER, endpoint(id));
        config.bootstrap_servers = vec![endpoint(2), endpoint(3)];
        let mut raft = Raft::new(config, recovered.clone(), 7);
        let mut out = Outbox::new();
        raft.on_start(0, &mut out);
        let mut script = Script {
            raft,
            out,
            recovered,
            asked: None,
            requests: 0,
        };
        script.asked = script.out.drain().into_iter().find_map(persisted_state);
        script
    }

    /// Replica 1 of three static voters, unattached in epoch 4 with a log that ends at 10 in epoch 3.
    fn voter() -> Self {
        let election = ElectionState {
            leader_epoch: 4,
            leader_id: None,
            voted: None,
        };
        Script::of(
            1,
            Recovered {
                election: Some(election),
                ..with_log()
            },
        )
    }

    fn run(&mut self, event: impl FnOnce(&mut Raft, &mut Outbox)) -> Vec<Effect> {
        event(&mut self.raft, &mut self.out);
        let effects = self.out.drain();
        self.asked = effects.iter().cloned().find_map(persisted_state).or(self.asked);
        effects
    }

    fn request(&mut self, now_ms: i64, request: Request) -> Vec<Effect> {
        self.requests += 1;
        let id = self.requests;
        self.run(|raft, out| raft.on_request(now_ms, id, request, out))
    }

    fn response(&mut self, now_ms: i64, from: i32, correlation_id: u64, response: Response) -> Vec<Effect> {
        self.run(|raft, out| raft.on_response(now_ms, from, correlation_id, response, out))
    }

    fn tick(&mut self, now_ms: i64) -> Vec<Effect> {
        self.run(|raft, out| raft.tick(now_ms, out))
    }

    fn persisted(&mut self, now_ms: i64) -> Vec<Effect> {
        self.recovered.election = self.asked;
        self.run(|raft, out| raft.on_state_persisted(now_ms, out))
    }

    fn flushed(&mut self, now_ms: i64) -> Vec<Effect> {
        let end_offset = self.raft.log().end_offset();
        self.run(|raft, out| raft.on_log_flushed(now_ms, end_offset, out))
    }

    /// Starts again from what was durable.
    fn crash(self) -> Self {
        Script::of(self.raft.local.id, self.recovered)
    }

    /// Elected in epoch 5 by replica 2; the quorum state is durable, the log not yet.
    fn leader() -> Self {
        let mut script = Script::voter();
        script.tick(5_000);
        script.response(5_001, 2, 0, granted(4));
        script.persisted(5_002);
        script.response(5_003, 2, 2, granted(5));
        let effects = script.persisted(5_004);
        assert!(
            matches!(&effects[0], Effect::Append(batches) if batches[0].epoch == 5),
            "{effects:?}"
        );
        script
    }

    /// Follows replica 2 in epoch 5 and has a Fetch out.
    fn follower() -> Self {
        let mut script = Script::voter();
        script.request(1, begin_epoch(2, 5));
        script.persisted(2);
        script
    }
}

fn with_log() -> Recovered {
    let epochs = vec![
        EpochStart {
            epoch: 1,
            start_offset: 0,
        },
        EpochStart {
            epoch: 3,
            start_offset: 6,
        },
    ];
    Recovered {
        log: LogView::new(0, 10, epochs, []),
        static_voters: static_voters(&[1, 2, 3]),
        ..Recovered::default()
    }
}

fn persisted_state(effect: Effect) -> Option<ElectionState> {
    match effect {
        Effect::PersistQuorumState(state) => Some(state),
        _ => None,
    }
}

fn persist(leader_epoch: i32, leader_id: Option<i32>, voted: Option<i32>) -> Effect {
    Effect::PersistQuorumState(ElectionState {
        leader_epoch,
        leader_id,
        voted: voted.map(key),
    })
}

fn no_leader(epoch: i32) -> Effect {
    Effect::LeaderChange(LeaderAndEpoch { leader_id: None, epoch })
}

fn vote_request(candidate: i32, epoch: i32) -> VoteRequest {
    VoteRequest {
        cluster_id: Some("cluster".to_owned()),
        voter_key: Some(key(1)),
        replica_key: key(candidate),
        replica_epoch: epoch,
        last_offset: OffsetAndEpoch { offset: 10, epoch: 3 },
        pre_vote: false,
    }
}

fn vote(candidate: i32, epoch: i32) -> Request {
    Request::Vote(vote_request(candidate, epoch))
}

fn pre_vote(candidate: i32, epoch: i32) -> Request {
    Request::Vote(VoteRequest {
        pre_vote: true,
        ..vote_request(candidate, epoch)
    })
}

fn info(error: Option<QuorumError>, leader_id: Option<i32>, epoch: i32) -> QuorumInfo {
    QuorumInfo {
        error,
        leader: LeaderAndEpoch { leader_id, epoch },
        leader_endpoint: leader_id.map(endpoint),
    }
}

fn answered(epoch: i32, vote_granted: bool) -> Response {
    Response::Vote(VoteResponse {
        info: info(None, None, epoch),
        vote_granted,
    })
}

fn granted(epoch: i32) -> Response {
    answered(epoch, true)
}

fn vote_reply(request_id: u64, info: QuorumInfo, vote_granted: bool) -> Effect {
    Effect::Reply {
        request_id,
        reply: Reply::Vote(VoteResponse { info, vote_granted }),
    }
}

fn begin_epoch(leader_id: i32, leader_epoch: i32) -> Request {
    Request::BeginQuorumEpoch(BeginQuorumEpochRequest {
        cluster_id: Some("cluster".to_owned()),
        voter_key: Some(key(1)),
        leader_id,
        leader_epoch,
        leader_endpoints: Endpoints::from([(LISTENER.to_owned(), endpoint(leader_id))]),
    })
}

fn fetch_request(replica: i32, fetch_offset: i64, last_fetched_epoch: i32) -> FetchRequest {
    FetchRequest {
        cluster_id: Some("cluster".to_owned()),
        replica_key: key(replica),
        current_leader_epoch: 5,
        fetch_offset,
        last_fetched_epoch,
        high_watermark: i64::MAX,
        max_wait_ms: 500,
        max_bytes: 1_048_576,
    }
}

fn fetch(replica: i32, fetch_offset: i64, last_fetched_epoch: i32) -> Request {
    Request::Fetch(fetch_request(replica, fetch_offset, last_fetched_epoch))
}

fn fetch_answer(outcome: FetchOutcome<Vec<Batch>>, high_watermark: Option<i64>) -> Response {
    Response::Fetch(FetchAnswer {
        info: info(None, Some(2), 5),
        high_watermark,
        log_start_offset: 0,
        outcome,
    })
}

fn batch(base_offset: i64, epoch: i32) -> Batch {
    encode_control_batch(base_offset, epoch, 1, vec![ControlRecord::SnapshotFooter])
}

fn sends(effects: &[Effect]) -> Vec<(i32, u64, &Request)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send {
            to,
            correlation_id,
            request,
        } => Some((to.id, *correlation_id, request)),
        _ => None,
    });
    sent.collect()
}

#[test]
fn a_lone_static_voter_leads_without_waiting() {
    let mut q = Script::of(
        1,
        Recovered {
            static_voters: static_voters(&[1]),
            ..Recovered::default()
        },
    );
    assert_eq!(
        q.asked,
        Some(ElectionState {
            leader_epoch: 1,
            leader_id: None,
            voted: Some(key(1))
        })
    );
    assert_eq!(q.persisted(0), [no_leader(1), persist(1, Some(1), None)]);
    let change = LeaderChange {
        leader_id: 1,
        voters: vec![1],
        granting_voters: vec![1],
    };
    let first = encode_control_batch(0, 1, 0, vec![ControlRecord::LeaderChange(change)]);
    assert_eq!(q.persisted(0), [Effect::Append(vec![first])]);
    assert_eq!(q.raft.high_watermark(), None);
    let leads = LeaderAndEpoch {
        leader_id: Some(1),
        epoch: 1,
    };
    assert_eq!(q.flushed(1), [Effect::CommittedUpTo(1), Effect::LeaderChange(leads)]);
    assert_eq!(q.raft.next_deadline(), None, "an idle lone voter sleeps");
}

#[test]
fn the_first_leader_brings_the_bootstrap_voters_into_the_log() {
    let control = [
        ControlRecord::KRaftVersion(1),
        ControlRecord::Voters(dynamic_voters(&[1])),
    ];
    let control_records = control.iter().cloned().map(|record| (-1, record)).collect();
    let log = LogView::new(0, 0, vec![], [(OffsetAndEpoch::BOOTSTRAP, 500)]);
    let mut q = Script::of(
        1,
        Recovered {
            log,
            control_records,
            ..Recovered::default()
        },
    );
    q.persisted(0);
    let effects = q.persisted(0);
    let Effect::Append(batches) = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!(batches[0].control[1..], control);
    assert_eq!(batches[0].last_offset, 2);
    q.flushed(0);

    // The second leader finds them there.
    let epochs = vec![EpochStart {
        epoch: 1,
        start_offset: 0,
    }];
    let in_log = control
        .into_iter()
        .zip(1..)
        .map(|(record, offset)| (offset, record))
        .collect();
    let log = LogView::new(0, 3, epochs, [(OffsetAndEpoch::BOOTSTRAP, 500)]);
    let mut q = Script::of(
        1,
        Recovered {
            log,
            control_records: in_log,
            election: q.recovered.election,
            ..Recovered::default()
        },
    );
    q.persisted(9);
    let effects = q.persisted(9);
    let Effect::Append(batches) = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!((batches[0].epoch, batches[0].control.len()), (2, 1));
}

#[test]
fn a_lone_voter_leads_again_after_a_restart_in_the_next_epoch() {
    let mut q = Script::of(
        1,
        Recovered {
            static_voters: static_voters(&[1]),
            ..Recovered::default()
        },
    );
    q.persisted(0);
    q.persisted(0);
    let mut q = q.crash();
    assert_eq!(
        q.asked,
        Some(ElectionState {
            leader_epoch: 2,
            leader_id: None,
            voted: Some(key(1))
        })
    );
    assert_eq!(q.persisted(1), [no_leader(2), persist(2, Some(1), None)]);
}

#[test]
fn a_crash_between_voting_and_leading_repeats_the_election_of_the_same_epoch() {
    let mut q = Script::of(
        1,
        Recovered {
            static_voters: static_voters(&[1]),
            ..Recovered::default()
        },
    );
    q.persisted(0);
    let mut q = q.crash();
    assert_eq!(
        q.asked,
        Some(ElectionState {
            leader_epoch: 1,
            leader_id: Some(1),
            voted: None
        })
    );
    assert!(matches!(q.persisted(1)[..], [Effect::Append(_)]));
}

#[test]
fn a_vote_leaves_only_after_it_is_durable() {
    let mut q = Script::voter();
    let learnt = LeaderAndEpoch {
        leader_id: None,
        epoch: 5,
    };
    assert_eq!(q.request(5, vote(2, 5)), [persist(5, None, None)]);
    assert_eq!(
        q.persisted(6),
        [Effect::LeaderChange(learnt), persist(5, None, Some(2))]
    );
    let mut q = q.crash(); // the disk says epoch 5, no vote
    assert_eq!(q.request(7, vote(3, 5)), [persist(5, None, Some(3))]);
    assert_eq!(q.persisted(8), [vote_reply(1, info(None, None, 5), true)]);
    let mut q = q.crash();
    assert_eq!(q.request(9, vote(2, 5)), [vote_reply(1, info(None, None, 5), false)]);
    assert_eq!(q.request(9, vote(3, 5)), [vote_reply(2, info(None, None, 5), true)]);
}

#[test]
fn votes_are_refused_to_the_stale_the_foreign_and_the_behind() {
    let mut q = Script::voter();
    let refused = |id, error| vote_reply(id, info(Some(error), None, 4), false);
    assert_eq!(
        q.request(1, vote(2, 3)),
        [refused(1, QuorumError::InvalidRequest)],
        "the log is ahead of the epoch"
    );
    assert_eq!(q.request(1, vote(-1, 4)), [refused(2, QuorumError::InvalidRequest)]);
    let request = VoteRequest {
        cluster_id: Some("other".to_owned()),
        ..vote_request(2, 4)
    };
    assert_eq!(
        q.request(1, Request::Vote(request)),
        [refused(3, QuorumError::InconsistentClusterId)]
    );
    let request = VoteRequest {
        voter_key: Some(ReplicaKey::of(1, Uuid::from_u128(99))),
        ..vote_request(2, 4)
    };
    assert_eq!(
        q.request(1, Request::Vote(request)),
        [refused(4, QuorumError::InvalidVoterKey)]
    );
    let request = VoteRequest {
        last_offset: OffsetAndEpoch { offset: 9, epoch: 3 },
        ..vote_request(2, 4)
    };
    assert_eq!(
        q.request(1, Request::Vote(request)),
        [vote_reply(5, info(None, None, 4), false)]
    );
    let request = VoteRequest {
        last_offset: OffsetAndEpoch { offset: 99, epoch: 1 },
        ..vote_request(2, 3)
    };
    assert_eq!(
        q.request(1, Request::Vote(request)),
        [refused(6, QuorumError::FencedLeaderEpoch)]
    );
}

#[test]
fn a_pre_vote_binds_nobody() {
    let mut q = Script::voter();
    assert_eq!(q.request(1, pre_vote(2, 4)), [vote_reply(1, info(None, None, 4), true)]);
    assert_eq!(q.request(1, pre_vote(3, 4)), [vote_reply(2, info(None, None, 4), true)]);
    assert_eq!(q.raft.role(), RoleName::Unattached);
}

#[test]
fn who_hears_from_the_leader_grants_no_pre_vote() {
    let mut q = Script::follower();
    assert_eq!(
        q.request(3, pre_vote(3, 5)),
        [vote_reply(2, info(None, Some(2), 5), true)],
        "not heard yet"
    );
    q.response(4, 2, 0, fetch_answer(FetchOutcome::Records(vec![]), Some(6)));
    assert_eq!(
        q.request(5, pre_vote(3, 5)),
        [vote_reply(3, info(None, Some(2), 5), false)]
    );
}

#[test]
fn an_election_goes_by_pre_vote_vote_and_first_batch() {
    let mut q = Script::voter();
    assert!(q.tick(999).is_empty());
    let effects = q.tick(5_000);
    let asked: Vec<_> = sends(&effects).iter().map(|(id, ..)| *id).collect();
    assert_eq!(asked, [2, 3]);
    assert!(matches!(sends(&effects)[0].2, Request::Vote(vote) if vote.pre_vote && vote.replica_epoch == 4));

    assert_eq!(q.response(5_001, 2, 0, granted(4)), [persist(5, None, Some(1))]);
    let effects = q.persisted(5_002);
    assert!(matches!(sends(&effects)[0].2, Request::Vote(vote) if !vote.pre_vote && vote.replica_epoch == 5));

    assert_eq!(q.response(5_003, 3, 3, granted(5)), [persist(5, Some(1), None)]);
    let effects = q.persisted(5_004);
    assert!(matches!(&effects[0], Effect::Append(batches) if batches[0].base_offset == 10));
    let begun: Vec<_> = sends(&effects).iter().map(|(id, ..)| *id).collect();
    assert_eq!(begun, [2, 3]);
    assert!(matches!(sends(&effects)[0].2, Request::BeginQuorumEpoch(begin) if begin.leader_epoch == 5));
}

#[test]
fn votes_are_asked_for_only_when_the_log_they_rest_on_is_durable() {
    let mut q = Script::follower();
    q.response(10, 2, 0, fetch_answer(FetchOutcome::Records(vec![batch(10, 5)]), None));
    assert_eq!(sends(&q.tick(5_000)), [], "the last record is not synced yet");
    assert_eq!(q.raft.role(), RoleName::Prospective);
    let effects = q.flushed(5_001);
    let end = OffsetAndEpoch { offset: 11, epoch: 5 };
    assert!(
        matches!(sends(&effects)[..], [(2, _, Request::Vote(vote)), (3, ..)] if vote.last_offset == end),
        "{effects:?}"
    );
}

#[test]
fn a_lost_pre_vote_leaves_the_epoch_alone() {
    let mut q = Script::voter();
    q.tick(5_000);
    q.response(5_001, 2, 0, answered(4, false));
    q.response(5_002, 3, 1, answered(4, false));
    assert_eq!(q.raft.role(), RoleName::Unattached);
    assert_eq!(q.raft.leader_and_epoch().epoch, 4);
    assert!(q.raft.next_deadline().unwrap() > 5_002, "and it tries again later");
}

#[test]
fn a_follower_that_loses_a_pre_vote_follows_on() {
    let mut q = Script::follower();
    let effects = q.tick(5_000);
    assert_eq!(q.raft.role(), RoleName::Prospective);
    for (id, correlation_id, _) in sends(&effects) {
        q.response(
            5_001,
            id,
            correlation_id,
            Response::Vote(VoteResponse {
                info: info(None, Some(2), 5),
                vote_granted: false,
            }),
        );
    }
    assert_eq!(q.raft.role(), RoleName::Follower);
}

#[test]
fn a_candidate_gives_up_for_a_newer_epoch() {
    let mut q = Script::voter();
    q.tick(5_000);
    q.response(5_001, 2, 0, granted(4));
    q.persisted(5_002);
    let effects = q.response(
        5_003,
        2,
        2,
        Response::Vote(VoteResponse {
            info: info(None, Some(3), 9),
            vote_granted: false,
        }),
    );
    assert_eq!(effects, [persist(9, Some(3), None)]);
    assert_eq!(q.raft.role(), RoleName::Follower);
    let effects = q.persisted(5_004);
    assert!(
        matches!(sends(&effects)[..], [(3, _, Request::Fetch(_))]),
        "{effects:?}"
    );
}

#[test]
fn the_high_watermark_needs_a_majority_and_a_record_of_the_epoch() {
    let mut q = Script::leader();
    // Replica 2 has all that older epochs wrote: that commits nothing.
    let effects = q.request(5_010, fetch(2, 10, 3));
    assert!(
        matches!(&effects[..], [Effect::Reply { reply: Reply::Fetch(answer), .. }] if answer.high_watermark.is_none())
    );
    // Our own copy of the first record of epoch 5 is not durable yet, so two replicas are one.
    assert!(q.request(5_011, fetch(2, 11, 5)).is_empty(), "parked");
    let leads = LeaderAndEpoch {
        leader_id: Some(1),
        epoch: 5,
    };
    assert_eq!(
        q.flushed(5_012),
        [Effect::CommittedUpTo(11), Effect::LeaderChange(leads)]
    );
    assert_eq!(q.raft.high_watermark(), Some(11));
}

#[test]
fn a_parked_fetch_is_answered_by_records_by_the_high_watermark_or_by_time() {
    let mut q = Script::leader();
    q.request(5_010, fetch(2, 11, 5));
    q.flushed(5_011);
    let effects = q.run(|raft, out| raft.on_append(5_012, 5, vec![batch(11, 5)], out).unwrap());
    assert!(
        matches!(&effects[..], [Effect::Append(_), Effect::Reply { request_id: 1, reply: Reply::Fetch(answer) }]
        if answer.outcome == FetchOutcome::Records(ReadRange { start_offset: 11, end_offset: 12, max_bytes: 1_048_576 }))
    );

    assert!(
        q.request(
            5_020,
            Request::Fetch(FetchRequest {
                high_watermark: 11,
                ..fetch_request(3, 12, 5)
            })
        )
        .is_empty()
    );
    assert!(
        matches!(&q.flushed(5_021)[..], [Effect::CommittedUpTo(12), Effect::Reply { request_id: 2, reply: Reply::Fetch(answer) }]
        if answer.high_watermark == Some(12))
    );

    assert!(q.request(5_030, fetch(3, 12, 5)).is_empty());
    assert_eq!(q.tick(5_529), []);
    assert!(matches!(&q.tick(5_530)[..], [Effect::Reply { request_id: 3, .. }]));
}

#[test]
fn fetches_of_the_wrong_epoch_or_position_are_told_so() {
    let mut q = Script::leader();
    let error_of = |effects: Vec<Effect>| match &effects[..] {
        [
            Effect::Reply {
                reply: Reply::Fetch(answer),
                ..
            },
        ] => answer.info.error,
        other => panic!("{other:?}"),
    };
    let with = |current_leader_epoch| FetchRequest {
        current_leader_epoch,
        ..fetch_request(2, 10, 3)
    };
    assert_eq!(
        error_of(q.request(5_010, Request::Fetch(with(4)))),
        Some(QuorumError::FencedLeaderEpoch)
    );
    assert_eq!(
        error_of(q.request(5_010, Request::Fetch(with(6)))),
        Some(QuorumError::UnknownLeaderEpoch)
    );
    assert_eq!(
        error_of(q.request(5_010, fetch(2, -1, 3))),
        Some(QuorumError::InvalidRequest)
    );
    assert_eq!(
        error_of(q.request(5_010, fetch(2, 10, 9))),
        Some(QuorumError::InvalidRequest)
    );
    let effects = q.request(5_010, fetch(2, 8, 2));
    let diverging = FetchOutcome::Diverging(OffsetAndEpoch { offset: 6, epoch: 1 });
    assert!(matches!(&effects[..], [Effect::Reply { reply: Reply::Fetch(answer), .. }] if answer.outcome == diverging));
    let mut follower = Script::follower();
    assert_eq!(
        error_of(follower.request(3, fetch(3, 10, 3))),
        Some(QuorumError::NotLeaderOrFollower)
    );
}

#[test]
fn a_leader_out_of_touch_with_the_majority_resigns() {
    let mut q = Script::leader();
    q.request(5_010, fetch(2, 10, 3));
    q.flushed(5_010);
    q.request(5_020, fetch(3, 11, 5));
    assert_eq!(q.raft.role(), RoleName::Leader);
    assert!(q.raft.next_deadline().unwrap() < 9_000);
    let effects = q.tick(8_100);
    assert_eq!(q.raft.role(), RoleName::Resigned);
    assert!(matches!(
        effects[0],
        Effect::Reply {
            request_id: 2,
            reply: Reply::Fetch(FetchAnswer {
                info: QuorumInfo {
                    error: Some(QuorumError::NotLeaderOrFollower),
                    ..
                },
                ..
            })
        }
    ));
    let Some((_, _, Request::EndQuorumEpoch(end))) = sends(&effects).first().copied() else {
        panic!("{effects:?}")
    };
    assert_eq!(
        end.preferred_candidates.iter().map(|key| key.id).collect::<Vec<_>>(),
        [3, 2]
    );
    assert_eq!(
        q.run(|raft, out| {
            let refused = raft.on_append(8_101, 5, vec![batch(11, 5)], out);
            assert_eq!(refused, Err(AppendError::NotLeader { epoch: 5 }));
        }),
        []
    );
}

#[test]
fn the_preferred_successor_stands_for_election_at_once() {
    let mut q = Script::follower();
    let request = EndQuorumEpochRequest {
        cluster_id: None,
        leader_id: 2,
        leader_epoch: 5,
        preferred_candidates: vec![key(1), key(3)],
        leader_endpoints: Endpoints::new(),
    };
    let effects = q.request(10, Request::EndQuorumEpoch(request));
    assert_eq!(q.raft.role(), RoleName::Prospective);
    assert!(matches!(sends(&effects)[0].2, Request::Vote(vote) if vote.pre_vote));
}

#[test]
fn a_follower_fetches_on_only_after_it_has_synced() {
    let mut q = Script::follower();
    let effects = q.response(
        10,
        2,
        0,
        fetch_answer(FetchOutcome::Records(vec![batch(10, 5), batch(11, 5)]), Some(11)),
    );
    assert_eq!(
        effects,
        [
            Effect::CommittedUpTo(10),
            Effect::Append(vec![batch(10, 5), batch(11, 5)])
        ]
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
    );
    let effects = q.flushed(11);
    assert_eq!(effects[0], Effect::CommittedUpTo(11));
    assert!(
        matches!(sends(&effects)[..], [(2, _, Request::Fetch(fetch))] if fetch.fetch_offset == 12 && fetch.last_fetched_epoch == 5)
    );
}

#[test]
fn a_follower_cuts_what_the_leader_does_not_have_but_nothing_committed() {
    let mut q = Script::follower();
    let cut_at = |offset, epoch| fetch_answer(FetchOutcome::Diverging(OffsetAndEpoch { offset, epoch }), None);
    let effects = q.response(10, 2, 0, cut_at(8, 3));
    assert_eq!(effects[0], Effect::TruncateTo(8));
    assert!(matches!(sends(&effects)[..], [(2, 1, Request::Fetch(fetch))] if fetch.fetch_offset == 8));
    q.response(11, 2, 1, fetch_answer(FetchOutcome::Records(vec![]), Some(7)));
    let fault = RaftFault::TruncationBelowHighWatermark {
        offset: 5,
        high_watermark: 7,
    };
    assert_eq!(q.response(12, 2, 2, cut_at(5, 1)), [Effect::Fault(fault)]);
}

#[test]
fn records_that_do_not_follow_the_log_are_not_appended() {
    for wrong in [
        batch(11, 5),
        batch(9, 5),
        batch(10, 2),
        batch(10, 6),
        batch(i64::MAX, 5),
    ] {
        let mut q = Script::follower();
        assert_eq!(
            q.response(10, 2, 0, fetch_answer(FetchOutcome::Records(vec![wrong]), Some(11))),
            []
        );
        assert_eq!(q.raft.next_deadline(), Some(30), "and the leader is given a rest");
    }
}

#[test]
fn a_refusal_without_news_is_followed_by_a_pause() {
    let mut q = Script::follower();
    let refusal = FetchAnswer {
        info: info(Some(QuorumError::NotLeaderOrFollower), Some(2), 5),
        high_watermark: None,
        log_start_offset: 0,
        outcome: FetchOutcome::Records(vec![]),
    };
    assert_eq!(q.response(10, 2, 0, Response::Fetch(refusal)), []);
    assert_eq!(q.raft.next_deadline(), Some(30));
    assert!(matches!(sends(&q.tick(30))[..], [(2, _, Request::Fetch(_))]));
}

#[test]
fn a_snapshot_that_cannot_be_is_not_fetched() {
    let mut q = Script::follower();
    let answer = |offset, epoch| fetch_answer(FetchOutcome::Snapshot(OffsetAndEpoch { offset, epoch }), None);
    assert_eq!(q.response(10, 2, 0, answer(-1, 4)), []);
    let effects = q.tick(30);
    assert!(
        matches!(sends(&effects)[..], [(2, 1, Request::Fetch(_))]),
        "{effects:?}"
    );
    q.response(31, 2, 1, fetch_answer(FetchOutcome::Records(vec![]), Some(7)));
    let fault = RaftFault::TruncationBelowHighWatermark {
        offset: 5,
        high_watermark: 7,
    };
    assert_eq!(q.response(32, 2, 2, answer(5, 4)), [Effect::Fault(fault)]);
}

#[test]
fn a_follower_behind_the_log_start_fetches_the_snapshot() {
    let mut q = Script::follower();
    let id = OffsetAndEpoch { offset: 50, epoch: 4 };
    let effects = q.response(10, 2, 0, fetch_answer(FetchOutcome::Snapshot(id), Some(60)));
    assert!(
        matches!(sends(&effects)[..], [(2, 1, Request::FetchSnapshot(fetch))] if fetch.snapshot_id == id && fetch.position == 0)
    );
    let piece = |position, bytes: &'static [u8]| {
        let piece = SnapshotPiece {
            snapshot_id: id,
            size: 5,
            position,
            bytes: bytes::Bytes::from_static(bytes),
        };
        Response::FetchSnapshot(FetchSnapshotAnswer {
            info: info(None, Some(2), 5),
            piece: Some(piece),
        })
    };
    let effects = q.response(11, 2, 1, piece(0, b"abc"));
    assert!(matches!(sends(&effects)[..], [(2, 2, Request::FetchSnapshot(fetch))] if fetch.position == 3));
    let effects = q.response(12, 2, 2, piece(3, b"de"));
    let bytes = bytes::Bytes::from_static(b"de");
    assert_eq!(
        effects[..3],
        [
            Effect::WriteSnapshot { id, position: 3, bytes },
            Effect::InstallSnapshot(id),
            Effect::CommittedUpTo(50)
        ]
    );
    assert!(
        matches!(sends(&effects)[..], [(2, 3, Request::Fetch(fetch))] if fetch.fetch_offset == 50 && fetch.last_fetched_epoch == 4)
    );
}

#[test]
fn a_leader_gives_its_snapshots_piece_by_piece() {
    let mut q = Script::leader();
    let id = OffsetAndEpoch { offset: 8, epoch: 3 };
    q.raft.on_snapshot_written(id, 1_000);
    q.raft.on_log_cleaned(id);
    let effects = q.request(5_010, fetch(2, 0, 0));
    assert!(
        matches!(&effects[..], [Effect::Reply { reply: Reply::Fetch(answer), .. }] if answer.outcome == FetchOutcome::Snapshot(id))
    );
    let mut ask = |snapshot_id, position| {
        let request = FetchSnapshotRequest {
            cluster_id: None,
            replica_key: key(2),
            current_leader_epoch: 5,
            snapshot_id,
            position,
            max_bytes: 300,
        };
        match q.request(5_011, Request::FetchSnapshot(request)).remove(0) {
            Effect::Reply {
                reply: Reply::FetchSnapshot(answer),
                ..
            } => (answer.info.error, answer.piece.map(|piece| piece.bytes)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(ask(id, 0), (None, Some(300)));
    assert_eq!(ask(id, 900), (None, Some(100)));
    for position in [1_000, -1, i64::MIN, i64::MAX] {
        assert_eq!(ask(id, position), (Some(QuorumError::PositionOutOfRange), None));
    }
    assert_eq!(
        ask(OffsetAndEpoch { offset: 7, epoch: 3 }, 0),
        (Some(QuorumError::SnapshotNotFound), None)
    );
    assert_eq!(
        ask(OffsetAndEpoch::BOOTSTRAP, 0),
        (Some(QuorumError::SnapshotNotFound), None)
    );
}

#[test]
fn an_observer_finds_the_leader_through_the_bootstrap_servers_and_never_votes_for_itself() {
    let mut q = Script::of(9, with_log());
    let effects = q.persisted(0);
    assert!(
        matches!(sends(&effects)[..], [(-3..=-2, _, Request::Fetch(_))]),
        "{effects:?}"
    );
    let (id, correlation_id, _) = *sends(&effects).last().unwrap();
    let refusal = FetchAnswer {
        info: info(Some(QuorumError::NotLeaderOrFollower), Some(2), 5),
        high_watermark: None,
        log_start_offset: 0,
        outcome: FetchOutcome::Records(vec![]),
    };
    q.response(10_001, id, correlation_id, Response::Fetch(refusal));
    assert_eq!(q.raft.role(), RoleName::Follower);
    let effects = q.persisted(10_002);
    let leader = Node {
        id: 2,
        endpoint: endpoint(2),
    };
    assert!(
        matches!(&effects[..], [Effect::LeaderChange(_), Effect::Send { to, .. }] if *to == leader),
        "{effects:?}"
    );
    q.tick(60_000);
    assert_eq!(q.raft.role(), RoleName::Follower);
}

#[test]
fn a_node_older_than_pre_votes_counts_as_granting_them() {
    let mut q = Script::voter();
    q.tick(5_000);
    let unsupported = VoteResponse {
        info: info(Some(QuorumError::UnsupportedVersion), None, 0),
        vote_granted: false,
    };
    assert_eq!(
        q.response(5_001, 2, 0, Response::Vote(unsupported)),
        [persist(5, None, Some(1))]
    );
}

#[test]
fn a_leader_that_shuts_down_hands_over() {
    let mut q = Script::leader();
    q.flushed(5_005);
    let effects = q.run(|raft, out| raft.on_shutdown(5_006, out));
    let told: Vec<_> = sends(&effects).iter().map(|(id, ..)| *id).collect();
    assert_eq!(told, [2, 3]);
    assert!(!q.raft.is_shut_down());
    q.request(5_007, begin_epoch(2, 6));
    assert!(q.raft.is_shut_down());

    let mut lone = Script::of(
        1,
        Recovered {
            static_voters: static_voters(&[1]),
            ..Recovered::default()
        },
    );
    lone.run(|raft, out| raft.on_shutdown(0, out));
    assert!(lone.raft.is_shut_down());
}

#[test]
fn contradictions_about_the_leader_are_refused() {
    let mut q = Script::follower();
    let effects = q.request(3, begin_epoch(3, 5));
    let refused = Reply::BeginQuorumEpoch(info(Some(QuorumError::InvalidRequest), Some(2), 5));
    assert_eq!(
        effects,
        [Effect::Reply {
            request_id: 2,
            reply: refused
        }]
    );
    let effects = q.request(4, begin_epoch(1, 7));
    assert!(
        matches!(&effects[..], [Effect::Reply { reply: Reply::BeginQuorumEpoch(info), .. }] if info.error == Some(QuorumError::InvalidRequest))
    );
    assert_eq!(
        q.raft.leader_and_epoch(),
        LeaderAndEpoch {
            leader_id: Some(2),
            epoch: 5
        }
    );
}

#[test]
fn describe_knows_who_lags() {
    let mut q = Script::leader();
    q.flushed(5_005);
    q.request(5_010, fetch(2, 11, 5));
    q.request(5_020, fetch(7, 10, 3));
    let quorum = q.raft.describe(5_030).unwrap();
    assert_eq!(quorum.high_watermark, 11);
    let ends: Vec<_> = quorum
        .voters
        .iter()
        .map(|voter| (voter.key.id, voter.log_end_offset))
        .collect();
    assert_eq!(ends, [(1, 11), (2, 11), (3, -1)]);
    assert_eq!(quorum.voters[1].last_caught_up_timestamp_ms, 5_010);
    assert_eq!(
        (
            quorum.observers[0].key.id,
            quorum.observers[0].last_caught_up_timestamp_ms
        ),
        (7, -1)
    );
    assert_eq!(Script::follower().raft.describe(1), None);
}
