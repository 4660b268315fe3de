//! Timers as data: a key, a deadline, and the order in which they fall due.

use std::collections::BTreeMap;

/// Deadlines by key. At most one deadline per key; equal deadlines fall due in the order they were set.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    by_key: BTreeMap<K, Due>,
    by_deadline: BTreeMap<Due, K>,
    set: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    deadline_ms: i64,
    set: u64,
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets the timer `key` to `deadline_ms`, in place of its former deadline if it had one.
    pub fn schedule(&mut self, key: K, deadline_ms: i64) {
        let due = Due {
            deadline_ms,
            set: self.set,
        };
        self.set += 1;
        if let Some(former) = self.by_key.insert(key.clone(), due) {
            self.by_deadline.remove(&former);
        }
        self.by_deadline.insert(due, key);
    }

    /// Forgets the timer `key`, if it is set.
    pub fn cancel(&mut self, key: &K) {
        if let Some(due) = self.by_key.remove(key) {
            self.by_deadline.remove(&due);
        }
    }

    /// Takes the earliest timer whose deadline is at or before `now_ms`.
    pub fn pop_due(&mut self, now_ms: i64) -> Option<K> {
        let due = self
            .by_deadline
            .first_entry()
            .filter(|entry| entry.key().deadline_ms <= now_ms)?;
        let key = due.remove();
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<i64> {
        self.by_deadline.first_key_value().map(|(due, _)| due.deadline_ms)
    }

    /// The deadline of `key`, if it is set.
    pub fn deadline(&self, key: &K) -> Option<i64> {
        self.by_key.get(key).map(|due| due.deadline_ms)
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether no timer is set.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Forgets all timers.
    pub fn clear(&mut self) {
        self.by_key.clear();
        self.by_deadline.clear();
    }
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self {
            by_key: BTreeMap::new(),
            by_deadline: BTreeMap::new(),
            set: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Timers;

    #[test]
    fn equal_deadlines_fall_due_in_the_order_they_were_set() {
        let mut timers = Timers::default();
        for key in ["c", "a", "b"] {
            timers.schedule(key, 10);
        }
        timers.schedule("c", 10);
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(10)).collect();
        assert_eq!(due, ["a", "b", "c"]);
    }

    #[test]
    fn a_timer_set_again_or_cancelled_does_not_fall_due_at_its_former_deadline() {
        let mut timers = Timers::default();
        timers.schedule("moved", 5);
        timers.schedule("cancelled", 6);
        timers.schedule("moved", 20);
        timers.cancel(&"cancelled");
        assert_eq!(timers.pop_due(19), None);
        assert_eq!(
            (timers.next_deadline(), timers.deadline(&"moved"), timers.len()),
            (Some(20), Some(20), 1)
        );
        assert_eq!(timers.pop_due(20), Some("moved"));
        assert!(timers.is_empty());
    }
}
