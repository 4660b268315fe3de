//! Scripts over a toy shard: a register of names and values, and a request that answers only once its write is settled.

use super::*;
use crate::error::RecordError;
use crate::shard::TransactionOutcome;
use bytes::Bytes;
use klamm_records::{BatchBuilder, Compression};
use klamm_timeline::OrdMap;
use std::fmt::Write as _;

#[derive(Default)]
struct Register {
    owed: Vec<u32>,
}

#[derive(Clone, Default)]
struct State {
    values: OrdMap<String, String>,
    open: OrdMap<i64, OrdMap<String, String>>,
}

enum Request {
    /// Write `name=value`, answer what it was.
    Put(&'static str, String),
    /// Answer the latest value.
    Get(&'static str),
    /// Write, and answer from `on_settled`.
    PutThenTell(&'static str, String),
    /// Never answered; a timer is set.
    Wait(i64),
    /// Write these names, in as many batches as it takes.
    Clear(Vec<&'static str>),
}

impl Shard for Register {
    type State = State;
    type Record = (String, Option<String>);
    type Request = Request;
    type Query = &'static str;
    type Reply = String;
    type ReplyTo = u32;
    type Timer = u32;
    type Pending = u32;
    type Event = std::convert::Infallible;

    fn replay(state: &mut State, _offset: i64, producer_id: i64, (name, value): &Self::Record) {
        let mut open = state.open.get(&producer_id).cloned().unwrap_or_default();
        let values = if producer_id < 0 { &mut state.values } else { &mut open };
        match value {
            Some(value) => values.insert(name.clone(), value.clone()),
            None => values.remove(name),
        };
        if producer_id >= 0 {
            state.open.insert(producer_id, open);
        }
    }

    fn replay_end_transaction(state: &mut State, producer_id: i64, outcome: TransactionOutcome) {
        if let (Some(open), TransactionOutcome::Commit) = (state.open.remove(&producer_id), outcome) {
            state.values = open.union(state.values.clone());
        }
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self::Record, RecordError> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|error| RecordError(error.to_string()));
        Ok((text(key)?, value.map(text).transpose()?))
    }

    fn encode((name, value): &Self::Record) -> EncodedRecord {
        let bytes = |text: &String| Bytes::from(text.clone());
        EncodedRecord {
            key: bytes(name),
            value: value.as_ref().map(bytes),
        }
    }

    fn handle(&mut self, cx: &mut Context<'_, Self>, request: Request, to: u32) -> Write<Self> {
        let latest = |name: &str| cx.state.values.get(name).cloned().unwrap_or("-".to_owned());
        match request {
            Request::Put(name, value) => {
                let reply = format!("{name} was {}", latest(name));
                Write::of(vec![(name.to_owned(), Some(value))], Then::Reply(to, reply))
            }
            Request::Get(name) => Write::reply(to, latest(name)),
            Request::PutThenTell(name, value) => Write::of(vec![(name.to_owned(), Some(value))], Then::Settle(to)),
            Request::Wait(at) => {
                cx.timers.schedule(to, at);
                self.owed.push(to);
                Write::nothing()
            }
            Request::Clear(names) => {
                let records = names.into_iter().map(|name| (name.to_owned(), None)).collect();
                Write::each_alone(records, Then::Reply(to, "cleared".to_owned()))
            }
        }
    }

    fn query(&self, committed: &State, name: &'static str) -> String {
        committed.values.get(name).cloned().unwrap_or("-".to_owned())
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Self>, timer: u32) -> Write<Self> {
        self.owed.retain(|owed| *owed != timer);
        cx.reply(timer, format!("time is {}", cx.now_ms));
        Write::nothing()
    }

    fn on_settled(&mut self, cx: &mut Context<'_, Self>, to: u32, result: Result<(), CoordinatorError>) -> Write<Self> {
        cx.reply(to, format!("settled {result:?}"));
        Write::nothing()
    }

    fn on_loaded(&mut self, cx: &mut Context<'_, Self>) {
        if !cx.state.values.is_empty() {
            cx.timers.schedule(0, cx.now_ms + 1_000);
        }
    }

    fn on_unloaded(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.owed)
    }
}

/// The runtime and the effects of its last step.
struct Script {
    runtime: ShardRuntime<Register>,
    out: Outbox<Register>,
    now_ms: i64,
}

fn active() -> Script {
    let mut script = loading(ShardConfig::default());
    script.runtime.finish_loading(0, 0, 0, &mut Vec::new());
    script
}

fn loading(config: ShardConfig) -> Script {
    let mut runtime = ShardRuntime::new(config, Register::default(), || 7);
    assert!(runtime.start_loading(1, &mut Vec::new()));
    Script {
        runtime,
        out: Vec::new(),
        now_ms: 0,
    }
}

impl Script {
    /// Writes and tells the effects, without flushing.
    fn write(&mut self, to: u32, request: Request) -> String {
        self.runtime.write(self.now_ms, request, to, &mut self.out);
        self.effects()
    }

    fn put(&mut self, to: u32, name: &'static str, value: &str) -> String {
        self.write(to, Request::Put(name, value.to_owned()))
    }

    fn flush(&mut self) -> String {
        self.runtime.flush(self.now_ms, &mut self.out);
        self.effects()
    }

    fn appended(&mut self, first: i64, last: i64) -> String {
        self.runtime.on_appended(first, last, &mut self.out);
        self.effects()
    }

    fn high_watermark(&mut self, high_watermark: i64) -> String {
        self.runtime
            .on_high_watermark(self.now_ms, high_watermark, &mut self.out);
        self.effects()
    }

    fn lost(&mut self) -> String {
        self.runtime
            .on_append_failed(self.now_ms, CoordinatorError::NotAvailable, &mut self.out);
        self.effects()
    }

    fn tick(&mut self, now_ms: i64) -> String {
        self.now_ms = now_ms;
        self.runtime.tick(now_ms, &mut self.out);
        self.effects()
    }

    fn effects(&mut self) -> String {
        let mut text = String::new();
        for effect in self.out.drain(..) {
            match effect {
                Effect::Reply { to, result: Ok(reply) } => write!(text, "[{to}: {reply}]"),
                Effect::Reply { to, result: Err(error) } => write!(text, "[{to}: {error}]"),
                Effect::Tell(event) => match event {},
                Effect::Append(append) => {
                    let names: Vec<_> = append.records.iter().map(|r| String::from_utf8_lossy(&r.key)).collect();
                    write!(text, "[append at {}: {}]", append.first_offset, names.join(","))
                }
            }
            .expect("strings take all");
        }
        text
    }
}

#[test]
fn a_reply_leaves_once_its_records_are_committed() {
    let mut s = active();
    assert_eq!(s.put(1, "a", "x"), "");
    assert_eq!(s.flush(), "[append at 0: a]");
    assert_eq!(s.appended(0, 0), "");
    assert_eq!(s.runtime.read("a"), Ok("-".to_owned()));
    assert_eq!(s.high_watermark(1), "[1: a was -]");
    assert_eq!(s.runtime.read("a"), Ok("x".to_owned()));
}

#[test]
fn requests_of_one_step_share_a_batch_and_see_each_other() {
    let mut s = active();
    s.put(1, "a", "x");
    s.put(2, "a", "y");
    s.put(3, "b", "z");
    assert_eq!(s.flush(), "[append at 0: a,a,b]");
    s.appended(0, 2);
    assert_eq!(s.high_watermark(2), "[1: a was -][2: a was x]");
    assert_eq!(s.high_watermark(3), "[3: b was -]");
}

#[test]
fn an_answer_without_records_waits_for_the_records_before_it() {
    let mut s = active();
    assert_eq!(s.write(1, Request::Get("a")), "[1: -]");
    s.put(2, "a", "x");
    assert_eq!(s.write(3, Request::Get("a")), "");
    s.flush();
    s.appended(0, 0);
    assert_eq!(s.high_watermark(1), "[2: a was -][3: x]");
}

#[test]
fn a_lost_batch_takes_back_everything_built_upon_it() {
    let mut s = active();
    s.put(1, "a", "kept");
    s.flush();
    s.appended(0, 0);
    s.put(2, "a", "lost");
    assert_eq!(s.flush(), "[append at 1: a]");
    s.put(3, "b", "upon the lost one");
    s.write(4, Request::PutThenTell("c", "too".to_owned()));
    assert_eq!(s.flush(), "");
    assert_eq!(
        s.lost(),
        "[2: the coordinator is not available][3: the coordinator is not available][4: settled Err(NotAvailable)]"
    );
    assert_eq!(s.write(5, Request::Get("a")), "");
    assert_eq!(s.put(6, "b", "again"), "");
    assert_eq!(s.flush(), "[append at 1: b]");
    s.appended(1, 1);
    assert_eq!(s.high_watermark(2), "[1: a was -][5: kept][6: b was -]");
}

#[test]
fn a_batch_that_arrives_elsewhere_fails_the_shard_until_it_is_loaded_again() {
    let mut s = active();
    s.put(1, "a", "x");
    s.flush();
    assert_eq!(s.appended(5, 5), "[1: this is not the coordinator]");
    assert_eq!(s.runtime.status(), ShardStatus::Failed);
    assert_eq!(s.put(2, "a", "x"), "[2: this is not the coordinator]");
    assert!(s.runtime.start_loading(1, &mut Vec::new()));
    assert_eq!(s.put(3, "a", "x"), "[3: the coordinator is loading]");
}

#[test]
fn a_commit_that_takes_too_long_fails_its_reply_alone() {
    let mut s = active();
    s.put(1, "a", "x");
    s.now_ms = 3_000;
    s.put(2, "a", "y");
    s.flush();
    s.appended(0, 1);
    assert_eq!(s.runtime.next_deadline(), Some(5_000));
    assert_eq!(s.tick(5_000), "[1: the coordinator is not available]");
    assert_eq!(s.high_watermark(2), "[2: a was x]");
    assert_eq!(s.runtime.next_deadline(), None);
}

#[test]
fn what_does_not_fit_a_batch_is_split_or_refused() {
    let mut s = loading(ShardConfig {
        max_batch_bytes: 300,
        ..ShardConfig::default()
    });
    s.runtime.finish_loading(0, 0, 0, &mut Vec::new());
    assert_eq!(
        s.put(1, "a", &"x".repeat(300)),
        format!("[1: the records take {} bytes, a batch holds 300]", 61 + 32 + 301)
    );
    s.put(2, "a", &"x".repeat(100));
    s.put(3, "b", &"x".repeat(100));
    assert_eq!(s.flush(), "[append at 0: a]");
    assert_eq!(
        s.write(4, Request::Clear(vec!["c", "d", "e", "f", "g", "h", "i", "j"])),
        ""
    );
    s.appended(0, 0);
    assert_eq!(s.flush(), "[append at 1: b,c,d,e]");
    s.appended(1, 4);
    assert_eq!(s.flush(), "[append at 5: f,g,h,i,j]");
    s.appended(5, 9);
    assert_eq!(s.high_watermark(10), "[2: a was -][3: b was -][4: cleared]");
}

#[test]
fn timers_fall_due_in_bounded_steps() {
    let mut s = loading(ShardConfig {
        timers_per_tick: 2,
        ..ShardConfig::default()
    });
    s.runtime.finish_loading(0, 0, 0, &mut Vec::new());
    for to in 1..=3 {
        s.write(to, Request::Wait(10 - i64::from(to)));
    }
    assert_eq!(s.runtime.next_deadline(), Some(7));
    assert_eq!(s.tick(6), "");
    assert_eq!(s.tick(10), "[3: time is 10][2: time is 10]");
    assert_eq!(s.runtime.next_deadline(), Some(9));
    assert_eq!(s.tick(10), "[1: time is 10]");
    assert_eq!(s.runtime.next_deadline(), None);
}

#[test]
fn too_many_waiting_replies_refuse_the_next_request() {
    let mut s = loading(ShardConfig {
        max_parked: 1,
        ..ShardConfig::default()
    });
    s.runtime.finish_loading(0, 0, 0, &mut Vec::new());
    s.put(1, "a", "x");
    assert_eq!(s.put(2, "a", "y"), "[2: the coordinator is not available]");
}

#[test]
fn closing_fails_all_who_wait_and_an_older_epoch_changes_nothing() {
    let mut s = active();
    s.put(1, "a", "x");
    s.write(2, Request::Wait(99));
    s.runtime.close(0, &mut s.out);
    assert_eq!(s.effects(), "");
    s.runtime.close(2, &mut s.out);
    assert_eq!(
        s.effects(),
        "[1: this is not the coordinator][2: this is not the coordinator]"
    );
    assert_eq!((s.runtime.status(), s.runtime.epoch()), (ShardStatus::Closed, 2));
    assert!(!s.runtime.start_loading(2, &mut Vec::new()));
    assert_eq!(s.runtime.read("a"), Err(CoordinatorError::NotCoordinator));
    assert_eq!(s.runtime.next_deadline(), None);
}

fn batch(base_offset: i64, records: &[(&str, Option<&str>)]) -> BatchBuilder {
    let mut batch = BatchBuilder::new(Compression::Gzip).base_offset(base_offset);
    for (name, value) in records {
        batch
            .push(0, Some(name.as_bytes()), value.map(str::as_bytes), &[])
            .expect("small");
    }
    batch
}

fn transactional(base_offset: i64, producer_id: i64, name: &str) -> Bytes {
    batch(base_offset, &[(name, Some("t"))])
        .producer(producer_id, 0, 0)
        .transactional()
        .build()
}

fn marker(base_offset: i64, producer_id: i64, kind: klamm_records::ControlRecordType) -> Bytes {
    let mut batch = BatchBuilder::new(Compression::None)
        .base_offset(base_offset)
        .producer(producer_id, 0, -1)
        .transactional()
        .control();
    batch
        .push(0, Some(&kind.key()), Some(b"\0\0\0\0\0\0"), &[])
        .expect("small");
    batch.build()
}

#[test]
fn loading_replays_tombstones_and_transactions_and_leaves_the_tail_uncommitted() {
    use klamm_records::ControlRecordType::{Abort, Commit};
    let log: Vec<u8> = [
        batch(3, &[("a", Some("1")), ("b", Some("2")), ("a", None)]).build(),
        transactional(10, 8, "committed"),
        transactional(11, 9, "aborted"),
        marker(12, 9, Abort),
        marker(13, 8, Commit),
        transactional(14, 7, "open"),
        batch(15, &[("tail", Some("3"))]).build(),
    ]
    .concat();
    let mut s = loading(ShardConfig::default());
    s.runtime.load(&log, 15).expect("a sound log");
    s.runtime.finish_loading(100, 17, 15, &mut Vec::new());
    let names = |state: &State| state.values.keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(s.runtime.committed()), "b committed");
    assert_eq!(names(s.runtime.state()), "b committed tail");
    assert_eq!(s.runtime.state().open.keys().collect::<Vec<_>>(), [&7]);
    assert_eq!(s.runtime.next_deadline(), Some(1_100));
    s.put(1, "next", "4");
    assert_eq!(s.flush(), "[append at 17: next]");
}

#[test]
fn a_corrupt_log_fails_the_shard() {
    let mut log = batch(0, &[("a", Some("1"))]).build().to_vec();
    let last = log.len() - 1;
    log[last] ^= 1;
    let mut s = loading(ShardConfig::default());
    assert!(matches!(
        s.runtime.load(&log, 1),
        Err(LoadError::Batch { after: -1, .. })
    ));
    assert_eq!(s.runtime.status(), ShardStatus::Failed);
    let no_text = BatchBuilder::new(Compression::None);
    let mut no_text = no_text;
    no_text.push(0, Some(b"\xff"), None, &[]).expect("small");
    let mut s = loading(ShardConfig::default());
    assert!(matches!(
        s.runtime.load(&no_text.build(), 1),
        Err(LoadError::Record { offset: 0, .. })
    ));
}
