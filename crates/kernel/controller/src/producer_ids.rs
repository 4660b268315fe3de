//! Producer ids, given out in blocks (KIP-730).

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use klamm_protocol::metadata::ProducerIdsRecord;

use crate::controller::Controller;
use crate::result::{ControllerError, ControllerResult};

/// How many ids a block has.
pub const PRODUCER_ID_BLOCK_SIZE: i32 = 1000;

impl Controller {
    /// Gives the broker the next block of producer ids.
    ///
    /// Fails with STALE_BROKER_EPOCH, or with UNKNOWN_SERVER_ERROR when all ids are used up.
    pub fn allocate_producer_ids(
        &self,
        request: &AllocateProducerIdsRequest,
    ) -> Result<ControllerResult<AllocateProducerIdsResponse>, ControllerError> {
        self.check_broker_epoch(request.broker_id, request.broker_epoch)?;
        let first = self.image().producer_ids().next_producer_id.max(0);
        let next = first.checked_add(i64::from(PRODUCER_ID_BLOCK_SIZE)).ok_or_else(|| {
            ControllerError::new(
                ErrorCode::UNKNOWN_SERVER_ERROR,
                "Exhausted all producerIds as the next block's end producerId has exceeded the int64 type limit",
            )
        })?;
        let record = ProducerIdsRecord {
            broker_id: request.broker_id,
            broker_epoch: request.broker_epoch,
            next_producer_id: next,
            ..ProducerIdsRecord::default()
        };
        let reply = AllocateProducerIdsResponse {
            producer_id_start: first,
            producer_id_len: PRODUCER_ID_BLOCK_SIZE,
            ..AllocateProducerIdsResponse::default()
        };
        Ok(ControllerResult::of(vec![record.into()], reply))
    }
}
