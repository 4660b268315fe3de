//! What a controller writes first when it becomes active.

use klamm_metadata::{BootstrapMetadata, ConfigResource, ELIGIBLE_LEADER_REPLICAS_VERSION, MetadataRecord};
use klamm_protocol::metadata::{AbortTransactionRecord, BeginTransactionRecord, ConfigRecord, EndTransactionRecord};

use crate::controller::Controller;
use crate::result::ControllerResult;

/// The name of the transaction that the bootstrap records go in.
const BOOTSTRAP_RECORDS: &str = "Bootstrap records";

impl Controller {
    /// The records that put the log into a valid state: into an empty log the bootstrap records, and in any case the end
    /// of a transaction that a former controller left open.
    ///
    /// To be called once after [`activate`](Self::activate), with everything in the log replayed.
    ///
    /// # Panics
    /// When a transaction is open at a metadata version that has none.
    pub fn activation_records(&self, bootstrap: &BootstrapMetadata) -> ControllerResult<()> {
        let open = self.state().transaction_start.is_some();
        let abort = || AbortTransactionRecord {
            reason: Some("Controller failover".to_owned()),
            ..AbortTransactionRecord::default()
        };
        let current = self.version_outside_transaction();
        let transactions = current
            .unwrap_or(bootstrap.metadata_version())
            .is_metadata_transaction_supported();
        assert!(
            transactions || !open,
            "a transaction is open at a metadata version without transactions"
        );
        let mut records: Vec<MetadataRecord> = Vec::new();
        if open {
            records.push(abort().into());
        }
        if current.is_some() {
            return ControllerResult::atomic_of(records, ());
        }
        if transactions {
            let begin = BeginTransactionRecord {
                name: Some(BOOTSTRAP_RECORDS.to_owned()),
                ..BeginTransactionRecord::default()
            };
            records.push(begin.into());
        }
        records.extend_from_slice(bootstrap.records());
        if bootstrap.level(ELIGIBLE_LEADER_REPLICAS_VERSION) > 0 {
            records.push(self.cluster_min_isr_record());
        }
        if transactions {
            records.push(EndTransactionRecord::default().into());
            ControllerResult::of(records, ())
        } else {
            ControllerResult::atomic_of(records, ())
        }
    }

    /// Pins `min.insync.replicas` for the cluster: while eligible leader replicas are kept, one value has to hold for all
    /// brokers, whatever their configuration files say.
    pub(crate) fn cluster_min_isr_record(&self) -> MetadataRecord {
        let resource = ConfigResource::default_broker();
        ConfigRecord {
            resource_type: resource.resource_type.0,
            resource_name: resource.name,
            name: "min.insync.replicas".to_owned(),
            value: Some(self.config.static_min_isr().to_string()),
            ..ConfigRecord::default()
        }
        .into()
    }
}
