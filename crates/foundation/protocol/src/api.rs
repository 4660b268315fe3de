//! The table of APIs: keys, versions, listeners, header versions.

use std::fmt;

use crate::ApiKey;
use crate::generated::api_keys::APIS;

/// Versions from `min` to `max`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// Lowest version.
    pub min: i16,
    /// Highest version.
    pub max: i16,
}

impl VersionRange {
    /// Whether `version` lies in the range.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

/// The kinds of listeners, which offer different APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Where clients and brokers connect.
    Broker,
    /// Where brokers, controllers and admin clients reach the quorum.
    Controller,
}

/// What the table knows of an API.
#[derive(Debug)]
pub struct ApiInfo {
    /// The API.
    pub key: ApiKey,
    /// Its name as in `ProduceRequest`.
    pub name: &'static str,
    /// Versions that can be read and written; `None` when only the number is still reserved.
    pub versions: Option<VersionRange>,
    /// Whether the highest of them needs `unstable.api.versions.enable`.
    pub latest_version_unstable: bool,
    /// Stable versions that ApiVersions offers on a broker's listener. Produce offers more than can be read (KAFKA-18659).
    pub broker: Option<VersionRange>,
    /// Stable versions that ApiVersions offers on a controller's listener.
    pub controller: Option<VersionRange>,
    /// First version whose request is flexible, or `i16::MAX`.
    pub flexible_from: i16,
    /// Whether it needs CLUSTER_ACTION on the cluster.
    pub cluster_action: bool,
    /// Whether a broker wraps it in an Envelope and sends it to the controller.
    pub forwardable: bool,
    /// Whether the decoded request holds on to the frame.
    pub delayed_allocation: bool,
    /// Whether clients call it.
    pub client: bool,
}

impl ApiKey {
    /// Every API, by rising key, reserved ones included.
    pub fn all() -> impl Iterator<Item = Self> {
        APIS.iter().map(|info| info.key)
    }

    /// The table's row.
    pub fn info(self) -> &'static ApiInfo {
        &APIS[self as usize]
    }

    /// The number on the wire.
    pub fn id(self) -> i16 {
        self as i16
    }

    /// Name as in `ProduceRequest`.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Whether a request of this version can be read.
    pub fn is_version_supported(self, version: i16) -> bool {
        self.info().versions.is_some_and(|versions| versions.contains(version))
    }

    /// What ApiVersions offers on a listener; the unstable latest version only when `unstable`.
    pub fn advertised(self, listener: Listener, unstable: bool) -> Option<VersionRange> {
        let info = self.info();
        let mut range = match listener {
            Listener::Broker => info.broker,
            Listener::Controller => info.controller,
        }?;
        if unstable && let Some(versions) = info.versions {
            range.max = range.max.max(versions.max);
        }
        Some(range)
    }

    /// Version of the request header: 2 in flexible versions, else 1.
    pub fn request_header_version(self, version: i16) -> i16 {
        if version >= self.info().flexible_from { 2 } else { 1 }
    }

    /// Version of the response header: 1 in flexible versions, else 0. ApiVersions always has 0, since a client that
    /// asks cannot know yet what the broker speaks.
    pub fn response_header_version(self, version: i16) -> i16 {
        i16::from(self != Self::ApiVersions && version >= self.info().flexible_from)
    }
}

/// A number that is no API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an api key")]
pub struct UnknownApiKey(pub i16);

impl TryFrom<i16> for ApiKey {
    type Error = UnknownApiKey;

    fn try_from(id: i16) -> Result<Self, Self::Error> {
        usize::try_from(id)
            .ok()
            .and_then(|index| APIS.get(index))
            .map(|info| info.key)
            .ok_or(UnknownApiKey(id))
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
