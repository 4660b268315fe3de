//! `--initial-controllers`: a comma-separated list of `id@host:port:directory`.

use std::str::FromStr;

use klamm_protocol::Uuid;
use klamm_raft::Endpoint;

/// A voter of a quorum that is formatted for its voters (KIP-853).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DynamicVoter {
    /// `node.id`.
    pub node_id: i32,
    /// `directory.id` of its metadata log directory.
    pub directory_id: Uuid,
    /// Where it listens for controllers.
    pub endpoint: Endpoint,
}

/// What is wrong with a list of voters; the words are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant is its message")]
pub enum DynamicVoterError {
    #[error("No voters given.")]
    Empty,
    #[error("Node id {0} was specified more than once.")]
    Twice(i32),
    #[error("No @ found in dynamic voter string.")]
    NoAt,
    #[error("Failed to parse node id in dynamic voter string.")]
    NodeId,
    #[error("Invalid negative node id {0} in dynamic voter string.")]
    NegativeNodeId(i32),
    #[error("No hostname found after node id.")]
    NoHost,
    #[error("Hostname began with left bracket, but no right bracket was found.")]
    NoRightBracket,
    #[error("No colon following hostname could be found.")]
    NoColonAfterHost,
    #[error("Port section must start with a colon.")]
    NoColonBeforePort,
    #[error("No colon following port could be found.")]
    NoColonAfterPort,
    #[error("Failed to parse port in dynamic voter string.")]
    Port,
    #[error("Invalid port {0} in dynamic voter string.")]
    PortOutOfRange(i32),
    #[error("Failed to parse directory ID in dynamic voter string.")]
    DirectoryId,
}

impl FromStr for DynamicVoter {
    type Err = DynamicVoterError;

    fn from_str(text: &str) -> Result<Self, DynamicVoterError> {
        let (id, rest) = text.split_once('@').ok_or(DynamicVoterError::NoAt)?;
        let node_id: i32 = id.parse().map_err(|_| DynamicVoterError::NodeId)?;
        if node_id < 0 {
            return Err(DynamicVoterError::NegativeNodeId(node_id));
        }
        if rest.is_empty() {
            return Err(DynamicVoterError::NoHost);
        }
        let (host, rest) = match rest.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or(DynamicVoterError::NoRightBracket)?,
            None => rest.split_at(rest.find(':').ok_or(DynamicVoterError::NoColonAfterHost)?),
        };
        let rest = rest.strip_prefix(':').ok_or(DynamicVoterError::NoColonBeforePort)?;
        let (port, directory_id) = rest.split_once(':').ok_or(DynamicVoterError::NoColonAfterPort)?;
        let port: i32 = port.parse().map_err(|_| DynamicVoterError::Port)?;
        let port = u16::try_from(port).map_err(|_| DynamicVoterError::PortOutOfRange(port))?;
        let directory_id = directory_id.parse().map_err(|_| DynamicVoterError::DirectoryId)?;
        Ok(DynamicVoter {
            node_id,
            directory_id,
            endpoint: Endpoint {
                host: host.to_owned(),
                port,
            },
        })
    }
}

/// Reads a list of voters.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_voters(text: &str) -> Result<Vec<DynamicVoter>, DynamicVoterError> {
    let mut voters: Vec<DynamicVoter> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let voter: DynamicVoter = part.parse()?;
        if voters.iter().any(|other| other.node_id == voter.node_id) {
            return Err(DynamicVoterError::Twice(voter.node_id));
        }
        voters.push(voter);
    }
    match voters.is_empty() {
        true => Err(DynamicVoterError::Empty),
        false => Ok(voters),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn voters_are_read_as_kafka_reads_them() {
        let id = "JEXY6aqzQY-32P5TStzaFg";
        let voters = parse_voters(&format!("0@example.com:8082:{id},1@[::1]:8083:{id}")).unwrap();
        let endpoints: Vec<_> = voters
            .iter()
            .map(|voter| (voter.node_id, voter.endpoint.host.as_str(), voter.endpoint.port))
            .collect();
        assert_eq!(endpoints, [(0, "example.com", 8082), (1, "::1", 8083)]);
        assert_eq!(voters[0].directory_id, id.parse().unwrap());
        for (text, error) in [
            ("", DynamicVoterError::Empty),
            ("5", DynamicVoterError::NoAt),
            ("x@h:1:y", DynamicVoterError::NodeId),
            ("-2@h:1:y", DynamicVoterError::NegativeNodeId(-2)),
            ("5@", DynamicVoterError::NoHost),
            ("5@[::1:8020:a", DynamicVoterError::NoRightBracket),
            ("5@localhost", DynamicVoterError::NoColonAfterHost),
            ("5@[::1]8020:a", DynamicVoterError::NoColonBeforePort),
            ("5@localhost:8020", DynamicVoterError::NoColonAfterPort),
            ("5@localhost:x:y", DynamicVoterError::Port),
            ("5@localhost:70000:y", DynamicVoterError::PortOutOfRange(70000)),
            ("5@localhost:8020:y", DynamicVoterError::DirectoryId),
        ] {
            assert_eq!(parse_voters(text), Err(error), "{text}");
        }
        assert_eq!(
            parse_voters(&format!("1@a:1:{id},1@b:2:{id}")),
            Err(DynamicVoterError::Twice(1))
        );
    }
}
