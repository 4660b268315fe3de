//! DescribeTransactions (key 65), v0, flexible. KIP-664.
//! This node coordinates no transactional ids: there are no transactions here yet.
//! Errors per id: NOT_COORDINATOR, INVALID_REQUEST (an empty id).

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::describe_transactions_response::TransactionState;
use klamm_protocol::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse};

use crate::request::RequestContext;

pub(crate) async fn handle(
    _cx: &RequestContext<'_>,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let state = |transactional_id: String| TransactionState {
        error_code: match transactional_id.is_empty() {
            true => ErrorCode::INVALID_REQUEST,
            false => ErrorCode::NOT_COORDINATOR,
        },
        transactional_id,
        ..Default::default()
    };
    DescribeTransactionsResponse {
        transaction_states: request.transactional_ids.into_iter().map(state).collect(),
        ..Default::default()
    }
}
