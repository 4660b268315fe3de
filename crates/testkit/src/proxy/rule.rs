//! Rules: which requests a fault is for, when it is its turn, and what it does.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use klamm_protocol::{ApiKey, EncodedFrame, ErrorCode, Reader, Request, frame};
use tokio::sync::watch;

use super::seen::Seen;
use super::state::State;
use super::{FaultError, errors};

/// How long [`Fault::wait_for_hits`] waits before it panics.
const WAIT: Duration = Duration::from_secs(30);

pub(super) type Condition = Box<dyn Fn(&Seen) -> bool + Send + Sync>;
pub(super) type Answer = Arc<dyn Fn(&Seen) -> Result<EncodedFrame, FaultError> + Send + Sync>;

/// What befalls a request.
#[derive(Clone)]
pub(super) enum Action {
    Fail(ErrorCode),
    Answer(Answer),
    Delay(Duration),
    DelayReply(Duration),
    /// Until the rule is lifted.
    Hold,
    HoldReply,
    Disconnect,
    LoseReply,
}

/// What a rule has done.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) hits: u64,
    /// Why a hand-made reply could not be sent.
    pub(super) broken: Option<String>,
}

/// A rule at work.
pub(super) struct Rule {
    pub(super) id: u64,
    pub(super) conditions: Vec<Condition>,
    /// Matching requests that still go by before it is this rule's turn.
    pub(super) skip: u64,
    /// How many requests it is still for; `None` is all.
    pub(super) left: Option<u64>,
    pub(super) action: Action,
    /// What it has done. Closed when the rule is lifted, and only then.
    pub(super) record: watch::Sender<Record>,
}

/// Any request, whatever its API: see [`super::Proxy::on_any`].
#[derive(Debug)]
pub struct AnyApi;

/// A fault in the making: which requests it is for and when. Its last word says what happens, and puts it in force.
#[must_use = "a fault is in force when it has been said what happens, as by `.fail(code)`"]
pub struct On<R> {
    state: Arc<State>,
    key: Option<ApiKey>,
    conditions: Vec<Condition>,
    skip: u64,
    left: Option<u64>,
    request: PhantomData<fn(R)>,
}

impl<R> fmt::Debug for On<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<R> On<R> {
    pub(super) fn new(state: Arc<State>, key: Option<ApiKey>) -> Self {
        let mut conditions: Vec<Condition> = Vec::new();
        if let Some(key) = key {
            conditions.push(Box::new(move |seen| seen.key == key));
        }
        On {
            state,
            key,
            conditions,
            skip: 0,
            left: None,
            request: PhantomData,
        }
    }

    fn when(mut self, condition: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Self {
        self.conditions.push(Box::new(condition));
        self
    }

    /// Only requests of clients with this `client.id`.
    pub fn client_id(self, client_id: impl Into<String>) -> Self {
        let client_id = client_id.into();
        self.when(move |seen| seen.client_id.as_deref() == Some(&client_id))
    }

    /// Only requests on one connection; its number stands in [`Seen::connection`].
    pub fn connection(self, connection: u64) -> Self {
        self.when(move |seen| seen.connection == connection)
    }

    /// Lets this many matching requests go by first.
    pub fn skip(mut self, requests: u64) -> Self {
        self.skip = requests;
        self
    }

    /// Only for this many requests; without it the fault is in force until its guard is dropped.
    pub fn times(mut self, requests: u64) -> Self {
        self.left = Some(requests);
        self
    }

    /// Only for one request.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only for the `n`-th matching request from now on, counted from 1.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn nth(self, n: u64) -> Self {
        let before = n.checked_sub(1).expect("requests are counted from 1");
        self.skip(before).once()
    }

    /// Answers with an error reply; the request does not reach the broker. The reply names what the request named, with the
    /// code wherever clients look. A Produce with acks=0 has no reply: its connection is closed, as a broker does.
    ///
    /// Metadata is asked of the broker, so that the reply still names the brokers; topics are not created by it.
    ///
    /// # Panics
    /// When the API is none that Klamm offers, for then it is not known how it fails.
    pub fn fail(self, code: ErrorCode) -> Fault {
        if let Some(key) = self.key {
            assert!(errors::can_fail(key), "there is no error reply for {key}");
        }
        self.with(Action::Fail(code))
    }

    /// Passes the request on only after a time. Later requests of the connection wait behind it.
    pub fn delay(self, time: Duration) -> Fault {
        self.with(Action::Delay(time))
    }

    /// Passes the reply on only after a time. Later requests of the connection wait behind it.
    pub fn delay_reply(self, time: Duration) -> Fault {
        self.with(Action::DelayReply(time))
    }

    /// Keeps requests from the broker until the fault is lifted, and then passes them on.
    pub fn hold(self) -> Fault {
        self.with(Action::Hold)
    }

    /// Keeps replies from the client until the fault is lifted, and then passes them on.
    pub fn hold_reply(self) -> Fault {
        self.with(Action::HoldReply)
    }

    /// Closes the connection instead of passing the request on: it has no effect.
    pub fn disconnect(self) -> Fault {
        self.with(Action::Disconnect)
    }

    /// Closes the connection instead of passing the reply on: the request took effect, but the client can't know.
    pub fn lose_reply(self) -> Fault {
        self.with(Action::LoseReply)
    }

    fn with(self, action: Action) -> Fault {
        let rule = |id, record| Rule {
            id,
            conditions: self.conditions,
            skip: self.skip,
            left: self.left,
            action,
            record,
        };
        State::add(&self.state, |table, id, record| table.rules.push(rule(id, record)))
    }
}

impl<R: Request> On<R> {
    /// Only requests of which this is true.
    pub fn matching(self, condition: impl Fn(&R) -> bool + Send + Sync + 'static) -> Self {
        self.when(move |seen| seen.decode::<R>().is_some_and(|request| condition(&request)))
    }

    /// Answers with a reply of your own, made from the request and its version; the request does not reach the broker.
    ///
    /// A reply that can't be written in that version closes the connection, and [`Fault::hits`] panics with the reason.
    pub fn answer(self, reply: impl Fn(&R, i16) -> R::Response + Send + Sync + 'static) -> Fault {
        self.with(Action::Answer(Arc::new(move |seen: &Seen| {
            let request = R::decode(&mut Reader::new(seen.body.clone()), seen.version)?;
            let reply = reply(&request, seen.version);
            Ok(frame::encode_response(seen.correlation_id, seen.version, &reply)?)
        })))
    }
}

/// A fault in force. Dropped, it is lifted: bind it to a name (`let _fault = …`, not `let _ = …`), or [`Fault::keep`] it.
#[must_use = "the fault is lifted when this is dropped"]
pub struct Fault {
    state: Arc<State>,
    id: Option<u64>,
    record: watch::Receiver<Record>,
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("record", &*self.record.borrow())
            .finish_non_exhaustive()
    }
}

impl Fault {
    pub(super) fn new(state: Arc<State>, id: u64, record: watch::Receiver<Record>) -> Self {
        let id = Some(id);
        Fault { state, id, record }
    }

    /// How many requests it has befallen. A test that looks at it knows that the fault was met at all.
    ///
    /// # Panics
    /// When a reply made by [`On::answer`] could not be written.
    pub fn hits(&self) -> u64 {
        let record = self.record.borrow();
        if let Some(broken) = &record.broken {
            panic!("{broken}");
        }
        record.hits
    }

    /// Waits until it has befallen so many requests.
    ///
    /// # Panics
    /// When it has not after 30 s, or as [`Fault::hits`].
    pub async fn wait_for_hits(&self, hits: u64) {
        let mut record = self.record.clone();
        let enough = record.wait_for(|record| record.hits >= hits || record.broken.is_some());
        let in_time = tokio::time::timeout(WAIT, enough).await.is_ok();
        let met = self.hits();
        assert!(in_time, "the fault was met {met} times in {WAIT:?}, not {hits}");
    }

    /// Ends it: requests that it holds go on.
    pub fn lift(self) {}

    /// Leaves it in force for as long as there is the proxy.
    pub fn keep(mut self) {
        self.id = None;
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.state.lift(id);
        }
    }
}
