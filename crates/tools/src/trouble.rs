//! Saying that no broker answers, while a tool goes on trying as Kafka's do.

use std::time::Duration;

use klamm_client::{Client, MetadataTopics};
use tokio::time::Instant;

use crate::connect;
use crate::output::Messages;

/// How long nothing may come before the brokers are asked whether they are there.
const PATIENCE: Duration = Duration::from_secs(3);
/// The same once they were.
const LATER: Duration = Duration::from_secs(30);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);

/// Watches for brokers that don't answer and a topic that is not there; says so once.
pub(crate) struct Trouble {
    client: Client,
    topic: Option<String>,
    due: Instant,
    told: bool,
}

impl Trouble {
    pub(crate) fn new(client: Client) -> Trouble {
        Trouble {
            client: client.with_api_timeout(ANSWER),
            topic: None,
            due: Instant::now() + PATIENCE,
            told: false,
        }
    }

    /// Looks for the topic too.
    pub(crate) fn with_topic(self, topic: &str) -> Trouble {
        let topic = Some(topic.to_owned());
        Trouble { topic, ..self }
    }

    /// To be called when something came.
    pub(crate) fn over(&mut self) {
        self.due = Instant::now() + LATER;
        self.told = false;
    }

    /// To be called when nothing came for a while.
    pub(crate) async fn look(&mut self, err: &mut Messages) {
        if self.told || Instant::now() < self.due {
            return;
        }
        match self.reason().await {
            Some(reason) => {
                err.line(format_args!("WARN still trying: {reason}"));
                self.told = true;
            }
            None => self.due = Instant::now() + LATER,
        }
    }

    /// As [`Trouble::look`] again and again, without end.
    pub(crate) async fn watch(&mut self, err: &mut Messages) -> std::convert::Infallible {
        self.due = Instant::now() + PATIENCE;
        loop {
            tokio::time::sleep_until(self.due.max(Instant::now() + ANSWER)).await;
            self.look(err).await;
        }
    }

    async fn reason(&self) -> Option<String> {
        let asked = match &self.topic {
            Some(topic) => self.client.refresh_metadata(MetadataTopics::names([topic])).await,
            None => self.client.refresh_metadata(MetadataTopics::Brokers).await,
        };
        let known = match asked {
            Ok(known) => known,
            Err(error) => return Some(connect::hint(&error).unwrap_or_else(|| error.to_string())),
        };
        let name = self.topic.as_deref()?;
        let topic = known.topic(name)?;
        let wrong = topic.error.is_err();
        wrong.then(|| format!("topic `{name}`: {}", topic.error.message()))
    }
}
