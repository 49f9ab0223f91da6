//! Which key a request uses: one of those that allow its model, by weight.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::provider::Key;

/// How the key is chosen among those that allow the model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice<'a> {
    /// By chance, in proportion to the weights.
    Weighted,
    /// Always the same one: the key for stored objects, else the heaviest, else the first.
    Fixed,
    /// The one of that name.
    Named(&'a str),
    /// The one with that id.
    Identified(&'a str),
    /// The same one for the same session, in proportion to the weights over all sessions.
    Session(&'a str),
}

/// Picks a key; none where no key allows the model. A key of weight 0 is only picked where all are.
pub fn pick<'a>(
    keys: impl IntoIterator<Item = &'a Key> + Clone,
    model: Option<&str>,
    choice: Choice<'_>,
    rng: &mut fastrand::Rng,
) -> Option<&'a Key> {
    let is_allowed = |key: &&Key| model.map_or(key.is_enabled, |model| key.allows(model));
    let allowed = || keys.clone().into_iter().filter(is_allowed);
    match choice {
        Choice::Weighted => weighted(allowed, rng),
        Choice::Fixed => allowed().reduce(|best, key| {
            let rank = |key: &Key| (key.is_for_stored_objects, key.weight);
            if rank(key) > rank(best) { key } else { best }
        }),
        Choice::Named(name) => allowed().find(|key| key.name == name),
        Choice::Identified(id) => allowed().find(|key| key.id == id),
        Choice::Session(session) => sticky(allowed, session),
    }
}

fn weighted<'a, I: Iterator<Item = &'a Key>>(
    allowed: impl Fn() -> I,
    rng: &mut fastrand::Rng,
) -> Option<&'a Key> {
    let total: f64 = allowed().map(|key| key.weight).sum();
    if total <= 0.0 {
        let count = allowed().count();
        return if count == 0 { None } else { allowed().nth(rng.usize(..count)) };
    }
    let mut left = rng.f64() * total;
    let mut last = None;
    for key in allowed().filter(|key| key.weight > 0.0) {
        last = Some(key);
        left -= key.weight;
        if left < 0.0 {
            break;
        }
    }
    last
}

/// Weighted rendezvous hashing: each session ranks the keys in an order of its own.
fn sticky<'a, I: Iterator<Item = &'a Key>>(allowed: impl Fn() -> I, session: &str) -> Option<&'a Key> {
    let all_zero = allowed().all(|key| key.weight <= 0.0);
    let distance = |key: &Key| {
        let mut hasher = DefaultHasher::new();
        (session, &key.id).hash(&mut hasher);
        // 53 bits of the hash, as a number above 0 and up to 1.
        let chance = ((hasher.finish() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -chance.ln() / if all_zero { 1.0 } else { key.weight }
    };
    allowed()
        .filter(|key| all_zero || key.weight > 0.0)
        .min_by(|one, other| distance(one).total_cmp(&distance(other)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::provider::{Endpoint, Models, Secret, Tls};

    fn key(name: &str, weight: f64) -> Key {
        let url = url::Url::parse("http://localhost").unwrap();
        Key {
            id: format!("id-{name}"),
            name: name.to_owned(),
            secret: Secret::new(name),
            weight,
            is_enabled: true,
            models: Models::All,
            blacklisted_models: vec!["forbidden".to_owned()],
            aliases: Vec::new(),
            is_for_stored_objects: false,
            endpoint: Arc::new(Endpoint::new(&url, ["/v1"; 2], Tls::default(), None).unwrap()),
            cloud: None,
            fingerprint: 0,
        }
    }

    fn share_of_first(keys: &[Key], choose: impl Fn(usize, &mut fastrand::Rng) -> String) -> f64 {
        let mut rng = fastrand::Rng::with_seed(1);
        let picks = 100_000;
        let hits = (0..picks).filter(|turn| choose(*turn, &mut rng) == keys[0].name).count();
        hits as f64 / f64::from(picks as u32)
    }

    #[test]
    fn picks_follow_the_weights_within_one_percent() {
        let keys = [key("a", 0.7), key("b", 0.3)];
        let by_chance = share_of_first(&keys, |_, rng| {
            pick(&keys, Some("m"), Choice::Weighted, rng).unwrap().name.clone()
        });
        assert!((by_chance - 0.7).abs() < 0.01, "{by_chance}");
        let by_session = share_of_first(&keys, |turn, rng| {
            pick(&keys, Some("m"), Choice::Session(&format!("s{turn}")), rng).unwrap().name.clone()
        });
        assert!((by_session - 0.7).abs() < 0.01, "{by_session}");
    }

    #[test]
    fn shards_together_keep_the_weights() {
        let keys = [key("a", 0.7), key("b", 0.3)];
        for shards in [1_u64, 2, 3, 16] {
            let mut rngs: Vec<_> = (0..shards).map(fastrand::Rng::with_seed).collect();
            let hits = (0..100_000_usize)
                .filter(|turn| {
                    let rng = &mut rngs[turn % shards as usize];
                    pick(&keys, Some("m"), Choice::Weighted, rng).unwrap().name == "a"
                })
                .count();
            assert!((69_000..=71_000).contains(&hits), "{shards} shards: {hits}");
        }
    }

    #[test]
    fn weight_zero_is_never_picked_unless_all_are() {
        let mut rng = fastrand::Rng::with_seed(2);
        let keys = [key("zero", 0.0), key("one", 1.0)];
        for choice in [Choice::Weighted, Choice::Session("s")] {
            assert!((0..1000).all(|_| pick(&keys, Some("m"), choice, &mut rng).unwrap().name == "one"));
            assert_eq!(pick(&keys[..1], Some("m"), choice, &mut rng).unwrap().name, "zero");
        }
    }

    #[test]
    fn a_session_stays_with_its_key() {
        let mut rng = fastrand::Rng::with_seed(3);
        let keys = [key("a", 1.0), key("b", 1.0), key("c", 1.0)];
        let first = pick(&keys, None, Choice::Session("s"), &mut rng).unwrap().name.clone();
        assert!((0..100).all(|_| pick(&keys, None, Choice::Session("s"), &mut rng).unwrap().name == first));
    }

    #[test]
    fn the_fixed_key_is_the_marked_one_else_the_heaviest_else_the_first() {
        let mut rng = fastrand::Rng::with_seed(4);
        let mut keys = [key("a", 1.0), key("b", 2.0), key("c", 2.0)];
        assert_eq!(pick(&keys, None, Choice::Fixed, &mut rng).unwrap().name, "b");
        keys[0].is_for_stored_objects = true;
        assert_eq!(pick(&keys, None, Choice::Fixed, &mut rng).unwrap().name, "a");
    }

    #[test]
    fn pins_and_filters_hold() {
        let mut rng = fastrand::Rng::with_seed(5);
        let mut keys = [key("a", 1.0), key("b", 1.0)];
        assert_eq!(pick(&keys, Some("m"), Choice::Named("b"), &mut rng).unwrap().name, "b");
        assert_eq!(pick(&keys, Some("m"), Choice::Identified("id-a"), &mut rng).unwrap().name, "a");
        assert!(pick(&keys, Some("m"), Choice::Named("x"), &mut rng).is_none());
        assert!(pick(&keys, Some("Forbidden"), Choice::Weighted, &mut rng).is_none());
        keys[0].models = Models::Only(vec!["gpt-4o".to_owned()]);
        keys[1].is_enabled = false;
        assert_eq!(pick(&keys, Some("GPT-4o"), Choice::Weighted, &mut rng).unwrap().name, "a");
        assert!(pick(&keys, Some("m"), Choice::Weighted, &mut rng).is_none());
        assert!(pick(&keys, Some("m"), Choice::Named("b"), &mut rng).is_none());
    }
}
