//! The task that owns a connection's socket.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::dial::plain;
use super::inbox::{Inbox, InvalidSize};
use super::outbox::{Awaiting, Outbox};
use super::waiting::{Pending, Waiting};
use super::{Command, ConnectionOptions, closed};
use crate::Error;

/// Commands taken at once, to be written together.
const BATCH: usize = 64;

/// While so many pieces wait to be written, no command is taken: whoever sends has to wait.
const FULL: usize = 1024;

/// With nothing to time out, the timer sleeps this long.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Owner {
    stream: TcpStream,
    commands: mpsc::Receiver<Command>,
    label: Arc<str>,
    max_idle: Option<Duration>,
    inbox: Inbox,
    outbox: Outbox,
    waiting: Waiting,
}

impl Owner {
    pub(super) fn new(
        stream: TcpStream,
        commands: mpsc::Receiver<Command>,
        label: Arc<str>,
        options: &ConnectionOptions,
    ) -> Owner {
        Owner {
            stream,
            commands,
            label,
            max_idle: options.max_idle,
            inbox: Inbox::new(options.max_reply_bytes),
            outbox: Outbox::default(),
            waiting: Waiting::default(),
        }
    }

    /// Serves the connection until it fails, is idle for too long, or nobody needs it any more.
    pub(super) async fn run(mut self) {
        let reason = match self.serve().await {
            Ok(()) => closed(&self.label, "the connection is closed"),
            Err(error) => {
                tracing::debug!(%error, "connection lost");
                error
            }
        };
        self.commands.close();
        self.outbox.fail(&reason);
        self.waiting.fail(&reason);
        while let Some(command) = self.commands.recv().await {
            let _ = command.reply.send(Err(reason.clone()));
        }
    }

    async fn serve(&mut self) -> Result<(), Error> {
        let Owner {
            stream,
            commands,
            label,
            max_idle,
            inbox,
            outbox,
            waiting,
        } = self;
        let (mut reader, mut writer) = stream.split();
        let mut batch = Vec::with_capacity(BATCH);
        let mut wanted = true;
        let mut active = Instant::now();
        let timer = tokio::time::sleep_until(idle_end(active, *max_idle));
        tokio::pin!(timer);
        loop {
            if !wanted && outbox.is_empty() && waiting.is_empty() {
                return Ok(());
            }
            tokio::select! {
                taken = commands.recv_many(&mut batch, BATCH), if wanted && outbox.len() < FULL => {
                    wanted = taken > 0;
                    active = Instant::now();
                    for command in batch.drain(..) {
                        // Whoever asked may have gone before anything was sent.
                        if command.reply.is_closed() {
                            continue;
                        }
                        if command.deadline < timer.deadline() {
                            timer.as_mut().reset(command.deadline);
                        }
                        accept(command, outbox, waiting);
                    }
                }
                written = outbox.drain(&mut writer), if !outbox.is_empty() => {
                    written.map_err(|error| closed(label, plain(&error)))?;
                    active = Instant::now();
                }
                read = inbox.fill(&mut reader) => {
                    let count = read.map_err(|error| closed(label, plain(&error)))?;
                    active = Instant::now();
                    if count == 0 {
                        return ended(label, inbox, waiting);
                    }
                    while let Some(reply) = inbox.next().map_err(|InvalidSize(size)| protocol(label, format!("a reply of {size} bytes")))? {
                        waiting.deliver(reply).map_err(|reason| protocol(label, reason))?;
                    }
                }
                () = timer.as_mut() => {
                    let now = Instant::now();
                    if let Some(timeout) = waiting.expire(now).or(outbox.expired(now)) {
                        let reason = format!("closed, because a request had no reply within {} ms", timeout.as_millis());
                        return Err(closed(label, reason));
                    }
                    let idle = waiting.is_empty() && outbox.is_empty() && commands.is_empty();
                    if idle && now >= idle_end(active, *max_idle) {
                        return Ok(());
                    }
                    let deadlines = waiting.next_deadline().into_iter().chain(outbox.next_deadline());
                    let next = deadlines.min().unwrap_or_else(|| idle_end(active, *max_idle));
                    timer.as_mut().reset(next.max(now + Duration::from_millis(1)));
                }
                () = waiting.abandoned(), if !wanted => return Ok(()),
            }
        }
    }
}

fn accept(command: Command, outbox: &mut Outbox, waiting: &mut Waiting) {
    if !command.answered {
        let (deadline, timeout, reply) = (command.deadline, command.timeout, command.reply);
        outbox.push(
            command.pieces,
            Some(Awaiting {
                deadline,
                timeout,
                reply,
            }),
        );
        return;
    }
    outbox.push(command.pieces, None);
    waiting.push(Pending {
        correlation_id: command.correlation_id,
        deadline: command.deadline,
        timeout: command.timeout,
        reply: command.reply,
    });
}

fn idle_end(active: Instant, max_idle: Option<Duration>) -> Instant {
    active + max_idle.unwrap_or(FOREVER)
}

/// The broker has closed the connection: in order when nothing is missing.
fn ended(label: &str, inbox: &Inbox, waiting: &Waiting) -> Result<(), Error> {
    match (inbox.is_within_reply(), waiting.is_empty()) {
        (true, _) => Err(closed(label, "closed by the broker in the middle of a reply")),
        (false, false) => Err(closed(label, "closed by the broker before it replied")),
        (false, true) => Ok(()),
    }
}

fn protocol(label: &str, reason: String) -> Error {
    Error::Protocol {
        address: label.to_owned(),
        reason,
    }
}
