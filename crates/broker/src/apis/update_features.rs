//! UpdateFeatures (key 57), v0-2, flexible. KIP-584, KIP-778 (upgrade types), KIP-1022 (one outcome for all features).
//! Errors: INVALID_UPDATE_VERSION, NOT_CONTROLLER, REQUEST_TIMED_OUT.

use klamm_controller::Controller;
use klamm_protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(cx: &RequestContext<'_>, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse {
    let result_per_feature = cx.api_version <= 1;
    let kraft_version = cx.node.controller.kraft_version();
    let deadline_ms = cx.node.clock.now_ms() + i64::from(request.timeout_ms);
    let update = move |controller: &Controller, _now_ms: i64| {
        Ok(controller.update_features(&request, kraft_version, result_per_feature))
    };
    let updated = cx.node.controller.write("update features", deadline_ms, update).await;
    updated.unwrap_or_else(|error| UpdateFeaturesResponse {
        error_code: error.code,
        error_message: error.message,
        ..Default::default()
    })
}
