//! Registered brokers and controllers.

use std::sync::Arc;

use klamm_timeline::OrdMap;

use crate::registration::{BrokerRegistration, ControllerRegistration};

/// Registered nodes, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterImage {
    pub(crate) brokers: OrdMap<i32, Arc<BrokerRegistration>>,
    pub(crate) controllers: OrdMap<i32, Arc<ControllerRegistration>>,
}

impl ClusterImage {
    /// All registered brokers by id, fenced ones too.
    pub fn brokers(&self) -> &OrdMap<i32, Arc<BrokerRegistration>> {
        &self.brokers
    }

    /// The broker of that id.
    pub fn broker(&self, id: i32) -> Option<&BrokerRegistration> {
        self.brokers.get(&id).map(Arc::as_ref)
    }

    /// The broker's epoch, or -1 when it is not registered.
    pub fn broker_epoch(&self, id: i32) -> i64 {
        self.broker(id).map_or(-1, |broker| broker.epoch)
    }

    /// All registered controllers by id.
    pub fn controllers(&self) -> &OrdMap<i32, Arc<ControllerRegistration>> {
        &self.controllers
    }
}
