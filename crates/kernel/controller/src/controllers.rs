//! Controllers: their registration (KIP-919).

use klamm_protocol::ErrorCode;
use klamm_protocol::messages::{ControllerRegistrationRequest, ControllerRegistrationResponse};
use klamm_protocol::metadata::RegisterControllerRecord;
use klamm_protocol::metadata::register_controller_record::{ControllerEndpoint, ControllerFeature};

use crate::controller::Controller;
use crate::result::{ControllerError, ControllerResult};

impl Controller {
    /// Registers a controller, or a new incarnation of one.
    ///
    /// Fails with UNSUPPORTED_VERSION when the metadata version is too old for it.
    pub fn register_controller(
        &self,
        request: &ControllerRegistrationRequest,
    ) -> Result<ControllerResult<ControllerRegistrationResponse>, ControllerError> {
        if !self.metadata_version().is_controller_registration_supported() {
            return Err(ControllerError::new(
                ErrorCode::UNSUPPORTED_VERSION,
                "The current MetadataVersion is too old to support controller registrations.",
            ));
        }
        let record = RegisterControllerRecord {
            controller_id: request.controller_id,
            incarnation_id: request.incarnation_id,
            zk_migration_ready: false,
            end_points: request
                .listeners
                .iter()
                .map(|listener| ControllerEndpoint {
                    name: listener.name.clone(),
                    host: listener.host.clone(),
                    port: listener.port,
                    security_protocol: listener.security_protocol,
                    ..ControllerEndpoint::default()
                })
                .collect(),
            features: request
                .features
                .iter()
                .map(|feature| ControllerFeature {
                    name: feature.name.clone(),
                    min_supported_version: feature.min_supported_version,
                    max_supported_version: feature.max_supported_version,
                    ..ControllerFeature::default()
                })
                .collect(),
            ..RegisterControllerRecord::default()
        };
        let reply = ControllerRegistrationResponse::default();
        Ok(ControllerResult::atomic_of(vec![record.into()], reply))
    }
}
