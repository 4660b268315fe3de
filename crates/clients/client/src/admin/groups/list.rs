//! Which groups there are.

use std::collections::BTreeMap;

use klamm_protocol::messages::ListGroupsRequest;
use klamm_protocol::messages::list_groups_response::ListedGroup;
use klamm_protocol::{ApiKey, ErrorCode};

use super::{GroupState, GroupType};
use crate::admin::Admin;
use crate::admin::fan_out::Repeat;
use crate::{Error, MetadataTopics};

/// Which groups to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListGroups {
    /// Only groups in one of these states; empty: any.
    pub states: Vec<GroupState>,
    /// Only groups of one of these types; empty: any.
    pub types: Vec<GroupType>,
}

/// A group that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupListing {
    /// Its id.
    pub group_id: String,
    /// What it is for: `consumer`, `connect`, `share`, `streams`; empty for one that only has offsets.
    pub protocol_type: String,
    /// What it is doing; `None` from a broker before 2.6.
    pub state: Option<GroupState>,
    /// How it is run; `None` from a broker before 3.8.
    pub group_type: Option<GroupType>,
}

/// The groups, and the brokers that did not tell of theirs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListedGroups {
    /// The groups by rising id.
    pub groups: Vec<GroupListing>,
    /// Brokers without an answer, with the reason.
    pub errors: Vec<(i32, Error)>,
}

impl ListGroups {
    /// Only groups in one of these states (KIP-518; brokers since 2.6).
    pub fn in_states(mut self, states: impl IntoIterator<Item = GroupState>) -> ListGroups {
        self.states.extend(states);
        self
    }

    /// Only groups of one of these types (KIP-848; brokers since 3.8).
    pub fn of_types(mut self, types: impl IntoIterator<Item = GroupType>) -> ListGroups {
        self.types.extend(types);
        self
    }

    fn request(&self) -> ListGroupsRequest {
        ListGroupsRequest {
            states_filter: self.states.iter().map(ToString::to_string).collect(),
            types_filter: self.types.iter().map(ToString::to_string).collect(),
            ..Default::default()
        }
    }
}

impl GroupListing {
    fn new(group: ListedGroup) -> GroupListing {
        let told = |word: &str| !word.is_empty();
        GroupListing {
            state: told(&group.group_state).then(|| GroupState::from(group.group_state.as_str())),
            group_type: told(&group.group_type).then(|| GroupType::from(group.group_type.as_str())),
            group_id: group.group_id,
            protocol_type: group.protocol_type,
        }
    }

    /// Whether it was never joined by anybody, and only has offsets that were committed by hand.
    pub fn is_simple(&self) -> bool {
        self.protocol_type.is_empty()
    }
}

impl Admin {
    /// The groups of every broker. ListGroups 0-5.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when brokers can't filter as asked, or are controllers. A broker that does not answer is in
    /// [`ListedGroups::errors`].
    pub async fn list_groups(&self, filter: &ListGroups) -> Result<ListedGroups, Error> {
        if !filter.types.is_empty() {
            self.client.require(ApiKey::ListGroups, 5, "types of groups").await?;
        } else if !filter.states.is_empty() {
            self.client.require(ApiKey::ListGroups, 4, "states of groups").await?;
        }
        let known = self.client.refresh_metadata(MetadataTopics::Brokers).await?;
        let mut brokers: Vec<i32> = known.brokers().keys().copied().collect();
        let mut retry = self.client.retry("ListGroups");
        let mut groups = BTreeMap::new();
        let mut errors = Vec::new();
        while !brokers.is_empty() {
            let calls = brokers.drain(..).map(|broker| {
                let filter = filter.clone();
                (broker, (), move |_: i16| filter.request())
            });
            let mut loading = Vec::new();
            for (broker, (), reply) in self
                .client
                .fan_out(calls.collect(), i16::MAX, Repeat::UntilTimeout)
                .await
            {
                let listed = reply.and_then(|(_, response)| {
                    Error::check(response.error_code)?;
                    Ok(response.groups)
                });
                match listed {
                    Ok(listed) => {
                        let listed = listed
                            .into_iter()
                            .map(|group| (group.group_id.clone(), GroupListing::new(group)));
                        groups.extend(listed);
                    }
                    Err(error @ Error::Unsupported { .. }) => return Err(error),
                    Err(error) if is_loading(&error) => loading.push((broker, error)),
                    Err(error) => errors.push((broker, error)),
                }
            }
            if let Some((_, first)) = loading.first() {
                match retry.pause(first.clone()).await {
                    Ok(()) => brokers.extend(loading.into_iter().map(|(broker, _)| broker)),
                    Err(_) => errors.extend(loading),
                }
            }
        }
        Ok(ListedGroups {
            groups: groups.into_values().collect(),
            errors,
        })
    }
}

fn is_loading(error: &Error) -> bool {
    let codes = [
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
    ];
    error.code().is_some_and(|code| codes.contains(&code))
}
