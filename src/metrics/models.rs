//! Names of models as label values: a client may write anything, so that only some are kept.

use std::{collections::BTreeSet, sync::Arc};

use hashbrown::HashMap;

use super::Counters;

/// Names that are kept; all others are `other`.
const MODELS_MAX: usize = 500;
/// What stands for the names that are not kept.
pub(super) const OTHER: &str = "other";

/// The names that one shard keeps.
#[derive(Clone, Debug)]
pub(super) struct ModelNames {
    names: Vec<Arc<str>>,
    slots: HashMap<Arc<str>, ModelSlot>,
}

/// A name that is kept, by its number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct ModelSlot(u16);

/// The names that `/metrics` shows of all shards together. One that has been shown stays, so that no
/// counter ever falls.
#[derive(Clone, Debug, Default)]
pub struct ModelRoster(BTreeSet<Arc<str>>);

impl ModelSlot {
    pub(super) const OTHER: Self = Self(0);
    /// No model.
    const NONE: Self = Self(1);
}

impl ModelNames {
    pub(super) fn new<'a>(configured: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Self { names: Vec::new(), slots: HashMap::new() };
        // In the order of the two slots above.
        for name in [OTHER, ""].into_iter().chain(configured) {
            names.learn(name);
        }
        names
    }

    /// `OTHER` where it is not kept.
    pub(super) fn find(&self, name: &str) -> ModelSlot {
        if name.is_empty() {
            ModelSlot::NONE
        } else {
            self.slots.get(name).copied().unwrap_or(ModelSlot::OTHER)
        }
    }

    /// Keeps a name, if there is room.
    pub(super) fn learn(&mut self, name: &str) -> ModelSlot {
        if let Some(slot) = self.slots.get(name) {
            return *slot;
        }
        // Two names stand for no model and for the rest.
        if self.names.len() >= MODELS_MAX + 2 {
            return ModelSlot::OTHER;
        }
        let slot = ModelSlot(self.names.len() as u16);
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.slots.insert(name, slot);
        slot
    }

    pub(super) fn name(&self, slot: ModelSlot) -> Arc<str> {
        self.names.get(usize::from(slot.0)).cloned().unwrap_or_else(|| OTHER.into())
    }
}

impl ModelRoster {
    /// Takes up the names that shards keep, those of the configuration first, as long as there is room.
    pub fn admit<'a>(&mut self, shards: impl IntoIterator<Item = &'a Counters>) {
        for name in shards.into_iter().flat_map(|counters| &counters.models.names).skip(2) {
            if self.0.len() >= MODELS_MAX {
                return;
            }
            self.0.insert(name.clone());
        }
    }

    /// A name as it is shown.
    pub(super) fn shown<'a>(&self, name: &'a str) -> &'a str {
        if name.is_empty() || self.0.contains(name) { name } else { OTHER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_other() {
        let mut names = ModelNames::new(["configured"]);
        let learned = (0..2 * MODELS_MAX).filter(|n| names.learn(&n.to_string()) != ModelSlot::OTHER);
        assert_eq!(learned.count(), MODELS_MAX - 1);
        for (name, shown) in [("configured", "configured"), ("7", "7"), ("never seen", OTHER)] {
            let slot = names.learn(name);
            assert_eq!(&*names.name(slot), shown);
        }
    }
}
