//! InitProducerId (key 22), v0-5 (v6 unstable), flexible from v2. KIP-98, KIP-360.
//! Gives an idempotent producer an id of its own, always with epoch 0.
//! Errors: INVALID_REQUEST for an empty transactional id, or for an id without its epoch; COORDINATOR_LOAD_IN_PROGRESS while the
//! controller has no ids to give; UNSUPPORTED_VERSION for transactional producers, which do not work yet.

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse};
use tracing::warn;

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match initialise(cx, &request).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            producer_epoch: 0,
            ..Default::default()
        },
        Err(error_code) => InitProducerIdResponse {
            error_code,
            producer_id: -1,
            producer_epoch: -1,
            ..Default::default()
        },
    }
}

async fn initialise(cx: &RequestContext<'_>, request: &InitProducerIdRequest) -> Result<i64, ErrorCode> {
    let half_an_identity = (request.producer_id == -1) != (request.producer_epoch == -1);
    match request.transactional_id.as_deref() {
        Some("") => return Err(ErrorCode::INVALID_REQUEST),
        _ if half_an_identity => return Err(ErrorCode::INVALID_REQUEST),
        Some(_) => return Err(ErrorCode::UNSUPPORTED_VERSION),
        None => {}
    }
    let broker_epoch = cx.image.cluster().broker_epoch(cx.node.id);
    cx.node.producer_ids.next(cx.node, broker_epoch).await.map_err(|error| {
        warn!("no producer ids: {error}");
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS
    })
}
