//! Producer ids for idempotent producers, handed out from a block that the controller gave this broker (KIP-730).

use std::ops::Range;

use klamm_controller::{Controller, ControllerError};
use klamm_protocol::messages::AllocateProducerIdsRequest;
use tokio::sync::Mutex;

use crate::node::Node;

/// What is left of the broker's block. Ids of a block that a stopped broker did not use up are never given out again.
#[derive(Debug, Default)]
pub struct ProducerIds {
    block: Mutex<Range<i64>>,
}

impl ProducerIds {
    /// An id that no producer of the cluster has had. Asks the controller for a block when the last one is used up;
    /// whoever comes meanwhile waits for the same answer.
    ///
    /// # Errors
    /// What the controller says.
    pub async fn next(&self, node: &Node, broker_epoch: i64) -> Result<i64, ControllerError> {
        let mut block = self.block.lock().await;
        if let Some(id) = block.next() {
            return Ok(id);
        }
        let request = AllocateProducerIdsRequest {
            broker_id: node.id,
            broker_epoch,
            ..Default::default()
        };
        let allocate = move |controller: &Controller, _now_ms: i64| controller.allocate_producer_ids(&request);
        let given = node
            .controller
            .write("allocate producer ids", node.request_deadline_ms(), allocate)
            .await?;
        *block = given.producer_id_start..given.producer_id_start + i64::from(given.producer_id_len);
        Ok(block.next().expect("the controller gives blocks that are not empty"))
    }
}
