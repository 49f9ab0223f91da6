//! What kind of world a seed makes: how the network, providers and clients behave in it.

use std::time::Duration;

use fastrand::Rng;

use super::{
    ask::Sizes,
    client::{Leaving, Manner},
    script::Temper,
};
use crate::{net::Troubles, socket::Weather};

/// The gateway's configuration in every world. Accounts are reached by name, by
/// address, or through proxies; to one of them TLS is spoken.
pub(crate) const CONFIG: &str = r#"{
  "providers": {
    "openai": {
      "keys": [
        {"name": "a", "value": "of-the-gateway", "models": ["*"], "weight": 0.7, "aliases": {"alias": "resolved-model"}},
        {"name": "b", "value": "of-the-gateway", "models": ["*"], "weight": 0.3, "aliases": {"alias": "resolved-model"}}
      ],
      "network_config": {"base_url": "http://sim.test:8000", "default_request_timeout_in_seconds": 5, "stream_idle_timeout_in_seconds": 5},
      "custom_provider_config": {"base_provider_type": "openai"}
    },
    "other": {
      "keys": [{"name": "c", "value": "of-the-gateway", "models": ["*"], "weight": 1}],
      "network_config": {"base_url": "http://10.0.0.2:8000", "default_request_timeout_in_seconds": 5, "stream_idle_timeout_in_seconds": 5},
      "custom_provider_config": {"base_provider_type": "openai"}
    },
    "tunnelled": {
      "keys": [{"name": "d", "value": "of-the-gateway", "models": ["*"], "weight": 1}],
      "network_config": {"base_url": "http://sim.test:8000", "default_request_timeout_in_seconds": 5, "stream_idle_timeout_in_seconds": 5},
      "proxy_config": {"type": "http", "url": "http://me:of-the-proxy@10.0.0.3:3128"},
      "custom_provider_config": {"base_provider_type": "openai"}
    },
    "socks": {
      "keys": [{"name": "e", "value": "of-the-gateway", "models": ["*"], "weight": 1}],
      "network_config": {"base_url": "http://10.0.0.2:8000", "default_request_timeout_in_seconds": 5, "stream_idle_timeout_in_seconds": 5},
      "proxy_config": {"type": "socks5", "url": "socks5://me:of-the-proxy@10.0.0.4:1080"},
      "custom_provider_config": {"base_provider_type": "openai"}
    },
    "sealed": {
      "keys": [{"name": "f", "value": "of-the-gateway", "models": ["*"], "weight": 1}],
      "network_config": {"base_url": "https://sim.test:8443", "default_request_timeout_in_seconds": 5, "stream_idle_timeout_in_seconds": 5},
      "proxy_config": {"type": "http", "url": "http://me:of-the-proxy@10.0.0.3:3128"},
      "custom_provider_config": {"base_provider_type": "openai"}
    }
  },
  "client": {"max_request_body_size_mb": 1}
}"#;

/// Everything about a world that does not depend on what happens in it.
#[derive(Clone, Debug)]
pub(crate) struct Climate {
    /// Nothing fails but what clients do themselves.
    pub(crate) is_calm: bool,
    pub(crate) weather: Weather,
    pub(crate) troubles: Troubles,
    pub(crate) temper: Temper,
    pub(crate) sizes: Sizes,
    pub(crate) shards: usize,
    /// One of so many names is not found.
    pub(crate) unresolved_one_in: u32,
    /// Control says nothing by itself.
    pub(crate) is_control_silent: bool,
    /// When the shards are told to stop; none for once everything is done.
    pub(crate) stop_after: Option<Duration>,
    pub(crate) are_clients_well: bool,
}

impl Climate {
    /// Whether a request may take longer than the shell waits, though nothing fails.
    pub(crate) fn is_slow(&self) -> bool {
        self.weather.delay_max >= Duration::from_millis(100) && self.weather.capacity <= 1024
    }

    /// One shard, and nothing that goes wrong by itself.
    pub(crate) fn fair() -> Self {
        Self {
            is_calm: true,
            weather: Weather {
                delay_max: Duration::ZERO,
                capacity: 256 * 1024,
                split_one_in: 0,
                hesitate_one_in: 0,
            },
            troubles: Troubles::default(),
            temper: Temper { failing_one_in: 0, body_max: 0 },
            sizes: Sizes { body_max: 0, are_some_wrong: false },
            shards: 1,
            unresolved_one_in: 0,
            is_control_silent: false,
            stop_after: None,
            are_clients_well: true,
        }
    }

    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let is_calm = rng.u8(..5) < 2;
        let trouble = |rng: &mut Rng, one_in: u32| if is_calm || rng.bool() { 0 } else { one_in };
        let capacity = [64, 1024, 16 * 1024, 256 * 1024][rng.usize(..4)];
        let weather = Weather {
            delay_max: Duration::from_micros([0, 500, 20_000, 200_000][rng.usize(..4)]),
            capacity,
            split_one_in: [0, 1, 2, 8][rng.usize(..4)],
            hesitate_one_in: [0, 3, 20][rng.usize(..3)],
        };
        let body_max = match capacity {
            64 => 1000,
            1024 => 10_000,
            16_384 => 100_000,
            _ => [2000, 400_000][rng.usize(..2)],
        };
        Self {
            is_calm,
            weather,
            troubles: Troubles {
                refused_one_in: trouble(rng, 5),
                lost_one_in: trouble(rng, 10),
                accept_one_in: trouble(rng, 5),
            },
            temper: Temper { failing_one_in: if is_calm { 0 } else { [2, 4, 10][rng.usize(..3)] }, body_max },
            sizes: Sizes { body_max: body_max.min(200_000), are_some_wrong: rng.bool() },
            shards: rng.usize(1..4),
            unresolved_one_in: trouble(rng, 3),
            is_control_silent: rng.u8(..10) == 0,
            stop_after: (rng.u8(..4) == 0).then(|| Duration::from_millis(rng.u64(..8000))),
            are_clients_well: rng.u8(..3) == 0,
        }
    }

    /// How a client behaves.
    pub(crate) fn manner(&self, rng: &mut Rng) -> Manner {
        let hang_up = Duration::from_millis([rng.u64(..30), rng.u64(..3000)][rng.usize(..2)]);
        let leaving = match rng.u8(..10) {
            _ if self.are_clients_well => Leaving::Satisfied,
            0 => Leaving::Never,
            1 => Leaving::HalfClosing,
            2 => Leaving::Hanging(hang_up),
            3 => Leaving::Resetting(hang_up),
            4 => Leaving::Stalling,
            _ => Leaving::Satisfied,
        };
        let is_slow = rng.u8(..6) == 0;
        Manner {
            pipelines: rng.u8(..3) == 0,
            step: if is_slow { [1, 100, 5000][rng.usize(..3)].max(self.sizes.body_max / 500) } else { 0 },
            pause: if is_slow { Duration::from_millis([0, 1, 20][rng.usize(..3)]) } else { Duration::ZERO },
            reading_pause: if rng.u8(..6) == 0 {
                Duration::from_millis([1, 100][rng.usize(..2)])
            } else {
                Duration::ZERO
            },
            leaving,
        }
    }
}
