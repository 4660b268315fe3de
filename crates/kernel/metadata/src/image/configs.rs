//! Dynamic configurations, client quotas, and the producer ids given out.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_timeline::OrdMap;

use crate::config_resource::ConfigResource;

/// Dynamic configurations by resource; a resource without any is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigurationsImage {
    pub(crate) resources: OrdMap<ConfigResource, Arc<BTreeMap<String, String>>>,
}

impl ConfigurationsImage {
    /// The resource's dynamic configuration, or `None` when it has none.
    pub fn resource(&self, resource: &ConfigResource) -> Option<&BTreeMap<String, String>> {
        self.resources.get(resource).map(Arc::as_ref)
    }

    /// The dynamic value of one key.
    pub fn value(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.resource(resource)?.get(key).map(String::as_str)
    }

    /// All resources that have a dynamic configuration.
    pub fn resources(&self) -> &OrdMap<ConfigResource, Arc<BTreeMap<String, String>>> {
        &self.resources
    }

    pub(crate) fn set(&mut self, resource: &ConfigResource, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            let keys = self.resources.entry(resource.clone()).or_default();
            Arc::make_mut(keys).insert(key.to_owned(), value.to_owned());
        } else if let Some(keys) = self.resources.get_mut(resource) {
            Arc::make_mut(keys).remove(key);
            if keys.is_empty() {
                self.resources.remove(resource);
            }
        }
    }
}

/// Whom a client quota is for: entity types (`user`, `client-id`, `ip`) with names, where `None` is the default entity.
pub type QuotaEntity = BTreeMap<String, Option<String>>;

/// Client quotas by entity; an entity without any is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotasImage {
    pub(crate) entities: OrdMap<QuotaEntity, Arc<BTreeMap<String, f64>>>,
}

impl ClientQuotasImage {
    /// All quotas: limits by key, by entity.
    pub fn entities(&self) -> &OrdMap<QuotaEntity, Arc<BTreeMap<String, f64>>> {
        &self.entities
    }

    pub(crate) fn set(&mut self, entity: &QuotaEntity, key: &str, value: Option<f64>) {
        if let Some(value) = value {
            let quotas = self.entities.entry(entity.clone()).or_default();
            Arc::make_mut(quotas).insert(key.to_owned(), value);
        } else if let Some(quotas) = self.entities.get_mut(entity) {
            Arc::make_mut(quotas).remove(key);
            if quotas.is_empty() {
                self.entities.remove(entity);
            }
        }
    }
}

/// The producer ids given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdsImage {
    /// The first id of the next block, or -1 when none was ever given out.
    pub next_producer_id: i64,
}

impl Default for ProducerIdsImage {
    fn default() -> Self {
        Self { next_producer_id: -1 }
    }
}
