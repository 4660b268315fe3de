//! Topics and their partitions.

use std::ops::Bound;
use std::sync::Arc;

use klamm_protocol::Uuid;
use klamm_timeline::OrdMap;

use crate::partition::PartitionRegistration;

#[cfg(test)]
mod tests;

/// A topic's partitions, by id.
///
/// A sorted list, not a map: ids are dense from 0, and one tree node would outweigh the few partitions that most topics
/// have. The registrations are shared, so that changing one partition of many copies pointers only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Partitions(Vec<(i32, Arc<PartitionRegistration>)>);

impl Partitions {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The partition of that id.
    pub fn get(&self, id: i32) -> Option<&PartitionRegistration> {
        self.get_shared(id).map(Arc::as_ref)
    }

    /// The partition of that id, to be held on to.
    pub fn get_shared(&self, id: i32) -> Option<&Arc<PartitionRegistration>> {
        let index = self.position(id).ok()?;
        Some(&self.0[index].1)
    }

    /// All partitions in the order of their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i32, &PartitionRegistration)> {
        self.0.iter().map(|(id, partition)| (*id, partition.as_ref()))
    }

    pub(crate) fn insert(&mut self, id: i32, partition: PartitionRegistration) {
        let entry = (id, Arc::new(partition));
        match self.position(id) {
            Ok(index) => self.0[index] = entry,
            Err(index) => self.0.insert(index, entry),
        }
    }

    fn position(&self, id: i32) -> Result<usize, usize> {
        // Ids are nearly always the positions themselves.
        match usize::try_from(id) {
            Ok(index) if self.0.get(index).is_some_and(|entry| entry.0 == id) => Ok(index),
            _ => self.0.binary_search_by_key(&id, |entry| entry.0),
        }
    }
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    /// The name.
    pub name: Arc<str>,
    /// The id, which no other topic ever has.
    pub id: Uuid,
    /// The partitions.
    pub partitions: Partitions,
}

/// All topics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicsImage {
    by_id: OrdMap<Uuid, Arc<TopicImage>>,
    by_name: OrdMap<Arc<str>, Uuid>,
}

impl TopicsImage {
    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Whether this is the other one, not changed since: told in no time, and `true` only if both are the same.
    pub fn is_unchanged_since(&self, other: &Self) -> bool {
        self.by_id.ptr_eq(&other.by_id)
    }

    /// The topic of that name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_id.get(self.by_name.get(name)?)
    }

    /// The topic of that id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    /// The partition of that topic name and id.
    pub fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionRegistration> {
        self.by_name(topic)?.partitions.get(partition)
    }

    /// All topics in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.values().map(|id| self.known(*id))
    }

    /// The topics whose names are `first` or come after it, in the order of their names.
    pub fn iter_from(&self, first: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name
            .range::<_, str>((Bound::Included(first), Bound::Unbounded))
            .map(|(_, id)| self.known(*id))
    }

    /// All topics in the order of their ids.
    pub fn iter_by_id(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_id.values()
    }

    pub(crate) fn insert(&mut self, topic: TopicImage) {
        self.by_name.insert(topic.name.clone(), topic.id);
        self.by_id.insert(topic.id, Arc::new(topic));
    }

    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<TopicImage>> {
        let topic = self.by_id.remove(&id)?;
        self.by_name.remove(&topic.name);
        Some(topic)
    }

    /// The topic of that id, to be changed.
    pub(crate) fn get_mut(&mut self, id: Uuid) -> Option<&mut TopicImage> {
        self.by_id.get_mut(&id).map(Arc::make_mut)
    }

    fn known(&self, id: Uuid) -> &Arc<TopicImage> {
        self.by_id.get(&id).expect("a name stands for a known topic")
    }
}
