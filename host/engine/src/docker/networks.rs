//! Which network a new container joins.

use std::sync::{Arc, Mutex, PoisonError};

/// The operator's networks, and how many containers of ours are in each.
pub(super) struct Networks {
    names: Vec<String>,
    used: Mutex<Vec<usize>>,
}

/// A container's place in a network, given back when dropped.
pub(super) struct Membership {
    networks: Arc<Networks>,
    place: usize,
}

impl Networks {
    pub(super) fn new(names: Vec<String>) -> Arc<Self> {
        let used = Mutex::new(vec![0; names.len()]);
        Arc::new(Self { names, used })
    }

    /// A place in the least used network; `None` when the operator named none.
    pub(super) fn join(self: &Arc<Self>) -> Option<Membership> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, count) = used.iter_mut().enumerate().min_by_key(|(_, count)| **count)?;
        *count += 1;
        Some(Membership { networks: self.clone(), place })
    }
}

impl Membership {
    /// The network's name.
    pub(super) fn name(&self) -> &str {
        self.networks.names.get(self.place).map_or("", String::as_str)
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        if let Some(count) =
            self.networks.used.lock().unwrap_or_else(PoisonError::into_inner).get_mut(self.place)
        {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_used_network_is_next() {
        let networks = Networks::new(vec!["a".into(), "b".into()]);
        let (first, second) = (networks.join().unwrap(), networks.join().unwrap());
        assert_eq!((first.name(), second.name()), ("a", "b"));
        drop(second);
        assert_eq!(networks.join().unwrap().name(), "b");
        assert!(Networks::new(Vec::new()).join().is_none());
    }
}
