//! A controller with a log, driven as the broker's quorum room drives it.

use std::collections::BTreeMap;
use std::sync::Arc;

use klamm_config::{Config, Origin, Properties, broker_keys};
use klamm_controller::{Controller, ControllerConfig, ControllerError, ControllerResult};
use klamm_metadata::{
    BootstrapMetadata, ConfigResource, MetadataImage, MetadataLoader, MetadataRecord, MetadataVersion,
    PartitionRegistration, default_levels, supported_features,
};
use klamm_protocol::messages::broker_registration_request::{Feature, Listener};
use klamm_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use klamm_protocol::messages::create_topics_response::CreatableTopicResult;
use klamm_protocol::messages::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest, CreateTopicsRequest,
};
use klamm_protocol::{ErrorCode, Uuid};

/// The node that the controller runs on.
pub(crate) const OWN: i32 = 1;
/// The raft layer's version, which the controller is told.
pub(crate) const KRAFT_VERSION: i16 = 1;

/// A controller and everything it wrote. Every record goes through its encoding, and beside the controller a loader
/// follows the log as brokers do: [`check`](Self::check) holds the two against each other.
pub(crate) struct Cluster {
    pub(crate) controller: Controller,
    pub(crate) now_ms: i64,
    pub(crate) log: Vec<MetadataRecord>,
    pub(crate) loader: MetadataLoader,
    epochs: BTreeMap<i32, i64>,
}

pub(crate) fn config(settings: &[(&str, &str)]) -> ControllerConfig {
    let mut properties = Properties::new();
    let required = [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.listener.names", "CONTROLLER"),
    ];
    for (key, value) in required.iter().chain(settings) {
        properties.set(*key, *value, Origin::Program);
    }
    let (own, _) = Config::from_properties(&properties, broker_keys()).unwrap();
    ControllerConfig {
        node_id: OWN,
        quorum_node_ids: vec![OWN],
        cluster_id: "cluster".to_owned(),
        own: Arc::new(own),
    }
}

impl Cluster {
    /// Not yet active, nothing in the log.
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        Self {
            controller: Controller::new(config(settings), 7),
            now_ms: 1_000_000,
            log: Vec::new(),
            loader: MetadataLoader::new(Arc::new(MetadataImage::empty())),
            epochs: BTreeMap::new(),
        }
    }

    /// Active, with the default features of `version`.
    pub(crate) fn started(version: &str, settings: &[(&str, &str)]) -> Self {
        let version = MetadataVersion::from_name(version).unwrap();
        let mut cluster = Self::new(settings);
        cluster.controller.activate(0, cluster.now_ms);
        let bootstrap = BootstrapMetadata::from_levels(version, default_levels(version));
        let result = cluster.controller.activation_records(&bootstrap);
        cluster.apply(result);
        cluster
    }

    /// Active at 4.4 with the brokers given, all of them unfenced.
    pub(crate) fn with_brokers(ids: &[i32]) -> Self {
        let mut cluster = Self::started("4.4", &[]);
        for &id in ids {
            cluster.start_broker(id);
        }
        cluster
    }

    /// Appends, commits and publishes a result's records, and gives the reply.
    pub(crate) fn apply<R>(&mut self, result: ControllerResult<R>) -> R {
        if let Some(contact) = result.contact {
            self.controller.note_contact(contact);
        }
        for record in result.records {
            self.append(record);
        }
        let last = self.last_offset();
        self.controller.snapshot(last);
        self.controller.commit(last);
        self.loader.flush();
        result.reply
    }

    /// Appends one record without committing it.
    pub(crate) fn append(&mut self, record: MetadataRecord) {
        let version = match &record {
            MetadataRecord::FeatureLevel(level) if level.name == MetadataVersion::FEATURE_NAME => {
                MetadataVersion::from_level(level.feature_level).unwrap()
            }
            _ => self.controller.image().features().metadata_version_or_minimum(),
        };
        let record = MetadataRecord::decode(record.encode(version).unwrap()).unwrap();
        let offset = self.controller.next_offset();
        self.controller.replay(&record, offset).unwrap();
        self.loader
            .load_batch(offset, offset, 1, self.now_ms, std::slice::from_ref(&record))
            .unwrap();
        self.log.push(record);
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.controller.next_offset() - 1
    }

    pub(crate) fn image(&self) -> &MetadataImage {
        self.controller.image()
    }

    pub(crate) fn epoch(&self, id: i32) -> i64 {
        self.epochs[&id]
    }

    pub(crate) fn registration(&self, id: i32, incarnation: u128) -> BrokerRegistrationRequest {
        BrokerRegistrationRequest {
            broker_id: id,
            cluster_id: "cluster".to_owned(),
            incarnation_id: Uuid::from_u128(incarnation),
            listeners: vec![Listener {
                name: "PLAINTEXT".to_owned(),
                host: "localhost".to_owned(),
                port: 9092,
                ..Listener::default()
            }],
            features: supported_features(false)
                .into_iter()
                .map(|(name, range)| Feature {
                    name: name.to_owned(),
                    min_supported_version: range.min,
                    max_supported_version: range.max,
                    ..Feature::default()
                })
                .collect(),
            log_dirs: vec![directory(id)],
            ..BrokerRegistrationRequest::default()
        }
    }

    pub(crate) fn register(&mut self, request: &BrokerRegistrationRequest) -> Result<i64, ControllerError> {
        let result = self
            .controller
            .register_broker(request, true, KRAFT_VERSION, self.now_ms)?;
        let epoch = self.apply(result).broker_epoch;
        self.epochs.insert(request.broker_id, epoch);
        Ok(epoch)
    }

    pub(crate) fn heartbeat(
        &mut self,
        id: i32,
        change: impl FnOnce(&mut BrokerHeartbeatRequest),
    ) -> Result<BrokerHeartbeatResponse, ControllerError> {
        let mut request = BrokerHeartbeatRequest {
            broker_id: id,
            broker_epoch: self.epoch(id),
            current_metadata_offset: self.last_offset(),
            ..BrokerHeartbeatRequest::default()
        };
        change(&mut request);
        let result = self.controller.process_broker_heartbeat(&request, self.now_ms)?;
        Ok(self.apply(result))
    }

    /// Registers and unfences a broker; each call is a new incarnation.
    pub(crate) fn start_broker(&mut self, id: i32) {
        let incarnation = u128::try_from(self.controller.next_offset()).unwrap() + 1000;
        self.register(&self.registration(id, incarnation)).unwrap();
        let reply = self.heartbeat(id, |_| {}).unwrap();
        assert!(!reply.is_fenced);
    }

    pub(crate) fn create(&mut self, topic: CreatableTopic) -> CreatableTopicResult {
        let request = CreateTopicsRequest {
            topics: vec![topic],
            ..CreateTopicsRequest::default()
        };
        let result = self.controller.create_topics(&request).unwrap();
        self.apply(result).topics.remove(0)
    }

    /// A topic that has to come about.
    pub(crate) fn topic(&mut self, name: &str, partitions: i32, replicas: i16) -> Uuid {
        let result = self.create(topic(name, partitions, replicas));
        assert_eq!((result.error_code, result.error_message), (ErrorCode::NONE, None));
        result.topic_id
    }

    pub(crate) fn partition(&self, topic: &str, id: i32) -> &PartitionRegistration {
        self.image().topics().partition(topic, id).unwrap()
    }

    /// Leader, ISR and ELR.
    pub(crate) fn leadership(&self, topic: &str, id: i32) -> (i32, &[i32], &[i32]) {
        let partition = self.partition(topic, id);
        (partition.leader, &partition.isr, &partition.elr)
    }

    pub(crate) fn config_value(&self, resource: &ConfigResource, key: &str) -> Option<&str> {
        self.image().configs().value(resource, key)
    }

    /// Does what is due until nothing is.
    pub(crate) fn tick(&mut self) {
        loop {
            let result = self.controller.tick(self.now_ms);
            if result.records.is_empty() {
                return;
            }
            self.apply(result);
        }
    }

    /// The controller, whoever follows its log, and whoever starts from its snapshot see the same.
    pub(crate) fn check(&self) {
        let offset = self.loader.image().provenance();
        let image = self.image().at(offset);
        assert_eq!(*self.controller.committed_image(), *self.image());
        assert_eq!(**self.loader.image(), image);

        let mut replayed = Controller::new(config(&[]), 0);
        for (offset, record) in (0..).zip(&self.log) {
            replayed.replay(record, offset).unwrap();
        }
        assert_eq!(replayed.image(), self.image());

        let records = self.image().to_records();
        let mut from_snapshot = MetadataLoader::new(Arc::new(MetadataImage::empty()));
        let published = from_snapshot.load_snapshot(offset, records.clone()).unwrap();
        assert_eq!(*published.image, image);
        assert_eq!(published.image.to_records(), records);
    }
}

pub(crate) fn directory(broker: i32) -> Uuid {
    Uuid::from_u128(0xd1_0000_0000_0000_0000_0000 + u128::from(broker.unsigned_abs()))
}

pub(crate) fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions: partitions,
        replication_factor: replicas,
        ..CreatableTopic::default()
    }
}

pub(crate) fn topic_config(name: &str, value: &str) -> CreatableTopicConfig {
    CreatableTopicConfig {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..CreatableTopicConfig::default()
    }
}
