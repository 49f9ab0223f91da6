//! All that is decided before a world begins: by dice, or by whoever wants a certain world.

use std::{
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use fastrand::Rng;

use super::{ask::Ask, client::Manner, climate::Climate, script::Script};

/// Everything about a world but the order in which things happen, and what the network does.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) climate: Climate,
    pub(crate) guests: Vec<Guest>,
}

/// A client that will come.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) after: Duration,
    pub(crate) port: u16,
    pub(crate) manner: Manner,
    pub(crate) asks: Vec<(Ask, Script)>,
}

impl Setting {
    /// The setting of a seed.
    pub(crate) fn draw(seed: u64) -> Self {
        let climate = Climate::draw(&mut dice(seed, "climate", 0));
        let count = dice(seed, "guests", 0).u64(1..9);
        let guests = (1..=count).map(|number| Guest::draw(seed, number, &climate)).collect();
        Self { climate, guests }
    }
}

impl Guest {
    fn draw(seed: u64, number: u64, climate: &Climate) -> Self {
        let rng = &mut dice(seed, "guest", number);
        let after = Duration::from_millis(rng.u64(..2000));
        let port = rng.usize(..climate.shards) as u16;
        let count = rng.u64(1..6);
        let manner = climate.manner(rng);
        // A connection that has gone on in WebSocket does not come back.
        let upgrades = u64::from(dice(seed, "upgrade", number).u8(..4) == 0);
        let asks = (1..=count + upgrades).map(|position| {
            let id = number * 100 + position;
            let draw = if position > count { Ask::upgrade } else { Ask::draw };
            let ask = draw(id, climate.sizes, &mut dice(seed, "ask", id));
            let script = Script::draw(&ask, climate.temper, &mut dice(seed, "script", id));
            (ask, script)
        });
        Self { after, port, asks: asks.collect(), manner }
    }
}

/// Dice for one thing alone, so that one more choice there changes nothing elsewhere.
pub(crate) fn dice(seed: u64, thing: &str, number: u64) -> Rng {
    let mut hasher = DefaultHasher::new();
    hasher.write(thing.as_bytes());
    hasher.write_u64(seed);
    hasher.write_u64(number);
    Rng::with_seed(hasher.finish())
}
