//! What models take: looked up in the catalogue once, and remembered for a while.

use std::{
    cell::RefCell,
    hash::{BuildHasher, Hasher},
    rc::Rc,
    sync::Arc,
};

use hashbrown::{DefaultHashBuilder, HashMap};

use crate::{ir::Profile, provider::Catalog};

/// Models that are remembered; with one more all are forgotten.
const PROFILES_MAX: usize = 1024;

/// The profiles that this core has looked up.
#[derive(Default)]
pub(super) struct Profiles {
    hasher: DefaultHashBuilder,
    known: RefCell<Known>,
}

#[derive(Default)]
struct Known {
    /// Where they are from.
    catalog: Option<Arc<Catalog>>,
    profiles: HashMap<u64, Entry>,
}

struct Entry {
    account: String,
    model: String,
    profile: Rc<Profile>,
}

impl Profiles {
    /// What a model takes, by the names of its account and the provider's name of it.
    pub(super) fn find(&self, catalog: &Arc<Catalog>, account: &str, model: &str) -> Rc<Profile> {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(account.as_bytes());
        hasher.write_u8(0xff);
        hasher.write(model.as_bytes());
        let hash = hasher.finish();
        let mut known = self.known.borrow_mut();
        if !known.catalog.as_ref().is_some_and(|known| Arc::ptr_eq(known, catalog)) {
            *known = Known { catalog: Some(catalog.clone()), profiles: HashMap::new() };
        }
        let found = known.profiles.get(&hash);
        if let Some(entry) = found.filter(|entry| entry.account == account && entry.model == model) {
            return entry.profile.clone();
        }
        if known.profiles.len() >= PROFILES_MAX {
            known.profiles.clear();
        }
        let profile = Rc::new(catalog.profile(account, model));
        let (account, model) = (account.to_owned(), model.to_owned());
        known.profiles.insert(hash, Entry { account, model, profile: profile.clone() });
        profile
    }
}
