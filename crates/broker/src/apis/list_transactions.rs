//! ListTransactions (key 66), v0-2, flexible. KIP-664, KIP-994 (by duration, v1), KIP-1152 (by pattern, v2).
//! The list is empty: there are no transactions here yet. States that a client asks for and nobody knows are told.
//! Errors: INVALID_REGULAR_EXPRESSION.

use std::collections::BTreeSet;

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{ListTransactionsRequest, ListTransactionsResponse};
use regex_lite::Regex;

use crate::request::RequestContext;

/// The states of transactions.
const STATES: &[&str] = &[
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "PrepareEpochFence",
    "Dead",
];

pub(crate) async fn handle(_cx: &RequestContext<'_>, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.as_deref().unwrap_or_default();
    if Regex::new(pattern).is_err() {
        return ListTransactionsResponse {
            error_code: ErrorCode::INVALID_REGULAR_EXPRESSION,
            ..Default::default()
        };
    }
    let mut unknown_state_filters = request.state_filters;
    let mut seen = BTreeSet::new();
    unknown_state_filters.retain(|state| !STATES.contains(&state.as_str()) && seen.insert(state.clone()));
    ListTransactionsResponse {
        unknown_state_filters,
        ..Default::default()
    }
}
