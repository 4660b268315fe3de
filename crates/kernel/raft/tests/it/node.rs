//! A replica with a simulated disk: what is not synced is lost in a crash.

use klamm_raft::messages::{
    FetchAnswer, FetchOutcome, FetchSnapshotAnswer, LeaderAndEpoch, Reply, Response, SnapshotPiece,
};
use klamm_raft::{
    Batch, ControlRecord, Effect, ElectionState, Endpoint, EpochStart, LogView, OffsetAndEpoch, Outbox, Raft,
    RaftConfig, Recovered, ReplicaKey, Uuid, VoterNode, VoterSet, encode_control_batch, parse_batches,
};

pub(crate) const LISTENER: &str = "CONTROLLER";

pub(crate) fn directory(id: i32) -> Uuid {
    Uuid::from_u128(u128::from(id.unsigned_abs()))
}

pub(crate) fn voter_set(ids: impl Iterator<Item = i32>) -> VoterSet {
    VoterSet::new(ids.map(|id| VoterNode {
        key: ReplicaKey {
            id,
            directory_id: Some(directory(id)),
        },
        listeners: [(LISTENER.to_owned(), endpoint(id))].into(),
        min_kraft_version: 0,
        max_kraft_version: 1,
    }))
}

fn endpoint(id: i32) -> Endpoint {
    Endpoint {
        host: "localhost".to_owned(),
        port: u16::try_from(id).unwrap(),
    }
}

/// A snapshot: its id and, for these tests, the bytes of all batches before it.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) id: OffsetAndEpoch,
    pub(crate) control: Vec<ControlRecord>,
    pub(crate) bytes: Vec<u8>,
}

/// What a disk holds.
#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) election: Option<ElectionState>,
    pub(crate) log: Vec<Batch>,
    pub(crate) start_offset: i64,
    pub(crate) snapshot: Option<Snapshot>,
}

impl Disk {
    pub(crate) fn end_offset(&self) -> i64 {
        self.log.last().map_or(self.start_offset, |batch| batch.last_offset + 1)
    }

    fn view(&self) -> LogView {
        let mut epochs: Vec<EpochStart> = Vec::new();
        for batch in &self.log {
            if epochs.last().is_none_or(|last| last.epoch < batch.epoch) {
                epochs.push(EpochStart {
                    epoch: batch.epoch,
                    start_offset: batch.base_offset,
                });
            }
        }
        let snapshots = self
            .snapshot
            .iter()
            .map(|snapshot| (snapshot.id, snapshot.bytes.len() as u64));
        LogView::new(self.start_offset, self.end_offset(), epochs, snapshots)
    }

    fn control_records(&self, bootstrap: &VoterSet) -> Vec<(i64, ControlRecord)> {
        let mut records = match &self.snapshot {
            Some(snapshot) => snapshot
                .control
                .iter()
                .map(|record| (snapshot.id.offset - 1, record.clone()))
                .collect(),
            None => vec![
                (-1, ControlRecord::KRaftVersion(1)),
                (-1, ControlRecord::Voters(bootstrap.clone())),
            ],
        };
        for batch in &self.log {
            records.extend((batch.base_offset..).zip(batch.control.iter().cloned()));
        }
        records
    }
}

/// What goes over the simulated network.
#[derive(Clone)]
pub(crate) enum Message {
    Request {
        from: i32,
        correlation_id: u64,
        request: klamm_raft::messages::Request,
    },
    Response {
        from: i32,
        correlation_id: u64,
        response: Response,
    },
}

pub(crate) struct SimNode {
    pub(crate) id: i32,
    pub(crate) raft: Raft,
    /// What would survive a crash.
    pub(crate) synced: Disk,
    /// What the process sees.
    pub(crate) disk: Disk,
    pub(crate) committed: i64,
    pub(crate) announced: LeaderAndEpoch,
    partial: Vec<u8>,
    unpersisted: Option<ElectionState>,
    needs_sync: bool,
    inbound: Vec<(i32, u64)>,
    /// High half of the correlation ids on the network: an answer to what this node asked before a crash does not reach it,
    /// since its connections died with it.
    incarnation: u64,
    out: Outbox,
}

/// What a node did that others and the checks see.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) sent: Vec<(i32, Message)>,
    pub(crate) became_leader: Option<i32>,
}

impl SimNode {
    pub(crate) fn start(id: i32, disk: Disk, bootstrap: &VoterSet, seed: u64, now_ms: i64, done: &mut Done) -> Self {
        let mut config = RaftConfig::new("sim".to_owned(), id, directory(id), LISTENER, endpoint(id));
        config.bootstrap_servers = bootstrap.ids().map(endpoint).collect();
        config.fetch_snapshot_max_bytes = 200;
        let control_records = disk.control_records(bootstrap);
        let recovered = Recovered {
            election: disk.election,
            log: disk.view(),
            control_records,
            ..Recovered::default()
        };
        let mut node = SimNode {
            id,
            raft: Raft::new(config, recovered, seed),
            synced: disk.clone(),
            committed: disk.start_offset,
            disk,
            announced: LeaderAndEpoch {
                leader_id: None,
                epoch: 0,
            },
            partial: Vec::new(),
            unpersisted: None,
            needs_sync: false,
            inbound: Vec::new(),
            incarnation: seed << 32,
            out: Outbox::new(),
        };
        node.raft.on_start(now_ms, &mut node.out);
        node.carry_out(done);
        node
    }

    pub(crate) fn receive(&mut self, now_ms: i64, message: Message, done: &mut Done) {
        match message {
            Message::Request {
                from,
                correlation_id,
                request,
            } => {
                self.inbound.push((from, correlation_id));
                let request_id = self.inbound.len() as u64 - 1;
                self.raft.on_request(now_ms, request_id, request, &mut self.out);
            }
            Message::Response {
                from,
                correlation_id,
                response,
            } => {
                let correlation_id = correlation_id ^ self.incarnation;
                if correlation_id <= u64::from(u32::MAX) {
                    self.raft
                        .on_response(now_ms, from, correlation_id, response, &mut self.out);
                }
            }
        }
        self.carry_out(done);
    }

    pub(crate) fn tick(&mut self, now_ms: i64, done: &mut Done) {
        self.raft.tick(now_ms, &mut self.out);
        self.carry_out(done);
    }

    pub(crate) fn resign(&mut self, now_ms: i64, done: &mut Done) {
        self.raft
            .on_resign(now_ms, self.raft.leader_and_epoch().epoch, &mut self.out);
        self.carry_out(done);
    }

    /// Appends a batch if this node leads; says which one.
    pub(crate) fn append(&mut self, now_ms: i64, marker: i64, done: &mut Done) -> Option<Batch> {
        let epoch = self.raft.leader_and_epoch().epoch;
        let header = ControlRecord::SnapshotHeader {
            last_contained_log_timestamp: marker,
        };
        let records = vec![header; 1 + marker.unsigned_abs() as usize % 3];
        let batch = encode_control_batch(self.raft.log().end_offset(), epoch, now_ms, records);
        let appended = self.raft.on_append(now_ms, epoch, vec![batch.clone()], &mut self.out);
        self.carry_out(done);
        appended.is_ok().then_some(batch)
    }

    /// The disk has done what it was asked for; a slow one is still at the log.
    pub(crate) fn sync(&mut self, now_ms: i64, is_slow: bool, done: &mut Done) {
        if let Some(state) = self.unpersisted.take() {
            self.disk.election = Some(state);
            self.synced.election = Some(state);
            self.raft.on_state_persisted(now_ms, &mut self.out);
            self.carry_out(done);
        } else if self.needs_sync && !is_slow {
            self.needs_sync = false;
            self.synced = self.disk.clone();
            self.raft.on_log_flushed(now_ms, self.disk.end_offset(), &mut self.out);
            self.carry_out(done);
        }
    }

    pub(crate) fn is_syncing(&self) -> bool {
        self.unpersisted.is_some() || self.needs_sync
    }

    /// Writes a snapshot of what is committed, and deletes the log before it.
    pub(crate) fn snapshot(&mut self) {
        let Some(last) = self.disk.log.iter().rfind(|batch| batch.last_offset < self.committed) else {
            return;
        };
        let id = OffsetAndEpoch {
            offset: last.last_offset + 1,
            epoch: last.epoch,
        };
        let (version, voters) = self.raft.quorum_at(id.offset - 1);
        let control = vec![
            ControlRecord::KRaftVersion(version),
            ControlRecord::Voters(voters.expect("voters are known")),
        ];
        let mut bytes = self
            .disk
            .snapshot
            .take()
            .map(|snapshot| snapshot.bytes)
            .unwrap_or_default();
        let (before, after) = std::mem::take(&mut self.disk.log)
            .into_iter()
            .partition(|batch| batch.last_offset < id.offset);
        self.disk.log = after;
        let before: Vec<Batch> = before;
        before.iter().for_each(|batch| bytes.extend_from_slice(&batch.bytes));
        self.disk.start_offset = id.offset;
        self.raft.on_snapshot_written(id, bytes.len() as u64);
        self.raft.on_log_cleaned(id);
        self.disk.snapshot = Some(Snapshot { id, control, bytes });
        // As a file: written and renamed before anything is deleted. What was not synced of the log stays unsynced.
        let synced_end = self.synced.end_offset();
        self.synced = Disk {
            election: self.synced.election,
            ..self.disk.clone()
        };
        self.synced.log.retain(|batch| batch.last_offset < synced_end);
    }

    /// All batches of this node's history, those in the snapshot included.
    pub(crate) fn history(&self) -> Vec<Batch> {
        let snapshot = self
            .disk
            .snapshot
            .as_ref()
            .map(|snapshot| bytes::Bytes::copy_from_slice(&snapshot.bytes));
        let mut batches = snapshot.map(|bytes| parse_batches(&bytes).unwrap()).unwrap_or_default();
        batches.extend(self.disk.log.iter().cloned());
        batches
    }

    fn carry_out(&mut self, done: &mut Done) {
        for effect in self.out.drain() {
            match effect {
                Effect::PersistQuorumState(state) => {
                    assert!(self.unpersisted.replace(state).is_none(), "two states at once");
                }
                Effect::Append(batches) => {
                    self.disk.log.extend(batches);
                    self.needs_sync = true;
                }
                Effect::TruncateTo(offset) => {
                    self.disk.log.retain(|batch| batch.base_offset < offset);
                    assert!(self.disk.end_offset() == offset, "cut inside a batch");
                    self.needs_sync = true;
                }
                Effect::WriteSnapshot { position, bytes, .. } => {
                    self.partial.truncate(usize::try_from(position).unwrap());
                    self.partial.extend_from_slice(&bytes);
                }
                Effect::InstallSnapshot(id) => self.install(id),
                Effect::Send {
                    to,
                    correlation_id,
                    request,
                } => {
                    let target = i32::from(to.endpoint.port);
                    let correlation_id = correlation_id ^ self.incarnation;
                    let message = Message::Request {
                        from: self.id,
                        correlation_id,
                        request,
                    };
                    // The id that the answer has to name may be a stand-in for a bootstrap server.
                    let message = match message {
                        Message::Request { request, .. } if to.id < 0 => Message::Request {
                            from: to.id * 1_000 - self.id,
                            correlation_id,
                            request,
                        },
                        other => other,
                    };
                    done.sent.push((target, message));
                }
                Effect::Reply { request_id, reply } => {
                    let (from, correlation_id) = self.inbound[usize::try_from(request_id).unwrap()];
                    let response = self.fill(reply);
                    let (target, answerer) = if from < 0 {
                        (-from % 1_000, from / 1_000)
                    } else {
                        (from, self.id)
                    };
                    done.sent.push((
                        target,
                        Message::Response {
                            from: answerer,
                            correlation_id,
                            response,
                        },
                    ));
                }
                Effect::CommittedUpTo(offset) => {
                    assert!(offset > self.committed, "the high watermark of {} fell", self.id);
                    assert!(offset <= self.disk.end_offset(), "committed what is not there");
                    self.committed = offset;
                }
                Effect::LeaderChange(leader) => {
                    assert!(leader.epoch >= self.announced.epoch, "the epoch of {} fell", self.id);
                    self.announced = leader;
                    if leader.leader_id == Some(self.id) {
                        done.became_leader = Some(leader.epoch);
                    }
                }
                Effect::Fault(fault) => panic!("{}: {fault}", self.id),
            }
        }
    }

    fn install(&mut self, id: OffsetAndEpoch) {
        let bytes = std::mem::take(&mut self.partial);
        let batches = parse_batches(&bytes::Bytes::copy_from_slice(&bytes)).unwrap();
        let voters = batches
            .iter()
            .flat_map(|batch| &batch.control)
            .filter(|record| matches!(record, ControlRecord::KRaftVersion(_) | ControlRecord::Voters(_)));
        let control: Vec<ControlRecord> = voters.cloned().collect();
        let election = self.synced.election;
        self.disk = Disk {
            log: Vec::new(),
            start_offset: id.offset,
            snapshot: Some(Snapshot {
                id,
                control: control.clone(),
                bytes,
            }),
            election,
        };
        self.synced = self.disk.clone();
        self.needs_sync = false;
        let mut out = Outbox::new();
        self.raft.on_snapshot_installed(0, id, &control, &mut out);
        assert!(out.drain().is_empty(), "nothing is new by this");
    }

    fn fill(&self, reply: Reply) -> Response {
        match reply {
            Reply::Vote(response) => Response::Vote(response),
            Reply::BeginQuorumEpoch(info) => Response::BeginQuorumEpoch(info),
            Reply::EndQuorumEpoch(info) => Response::EndQuorumEpoch(info),
            Reply::Fetch(answer) => {
                let outcome = match answer.outcome {
                    FetchOutcome::Records(range) => {
                        let wanted = self
                            .disk
                            .log
                            .iter()
                            .skip_while(|batch| batch.last_offset < range.start_offset);
                        FetchOutcome::Records(
                            wanted
                                .take_while(|batch| batch.base_offset < range.end_offset)
                                .take(3)
                                .cloned()
                                .collect(),
                        )
                    }
                    FetchOutcome::Diverging(end) => FetchOutcome::Diverging(end),
                    FetchOutcome::Snapshot(id) => FetchOutcome::Snapshot(id),
                };
                let FetchAnswer {
                    info,
                    high_watermark,
                    log_start_offset,
                    ..
                } = answer;
                Response::Fetch(FetchAnswer {
                    info,
                    high_watermark,
                    log_start_offset,
                    outcome,
                })
            }
            Reply::FetchSnapshot(answer) => {
                let piece = answer.piece.map(|piece| {
                    let snapshot = self
                        .disk
                        .snapshot
                        .as_ref()
                        .filter(|snapshot| snapshot.id == piece.snapshot_id)
                        .unwrap();
                    let start = usize::try_from(piece.position).unwrap();
                    let bytes = &snapshot.bytes[start..start + usize::try_from(piece.bytes).unwrap()];
                    let SnapshotPiece {
                        snapshot_id,
                        size,
                        position,
                        ..
                    } = piece;
                    SnapshotPiece {
                        snapshot_id,
                        size,
                        position,
                        bytes: bytes::Bytes::copy_from_slice(bytes),
                    }
                });
                Response::FetchSnapshot(FetchSnapshotAnswer {
                    info: answer.info,
                    piece,
                })
            }
        }
    }
}
