//! A shard in a network of memory, a client and a provider.

use std::sync::Arc;

use bifrost::{
    bus::{self, AccessLevel, ToControl, ToShard},
    config::{self, Snapshot},
    http::{BodyDecoder, ResponseHead},
    shard::{self, Start},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::LocalSet,
};

use crate::memory::{Memory, Stream};

/// Three keys with weights, for a provider at an address that needs no name resolved.
const CONFIG: &str = r#"{ "providers": { "openai": {
    "network_config": { "base_url": "http://127.0.0.1:1" },
    "keys": [
        { "name": "main", "value": "sk-main", "models": ["*"], "weight": 0.5 },
        { "name": "spare", "value": "sk-spare", "models": ["gpt-4o", "gpt-4o-mini"], "weight": 0.3 },
        { "name": "other", "value": "sk-other", "models": ["*"], "weight": 0.2 }
    ]
} } }"#;

/// One client that asks the same again and again, on one connection.
pub(crate) struct World {
    runtime: Runtime,
    tasks: LocalSet,
    client: Stream,
    request: Vec<u8>,
    answer_length: usize,
    /// What a shard that serves must not lose.
    _control: Option<(flume::Sender<ToShard>, flume::Receiver<ToControl>)>,
}

/// The configuration of these measurements.
pub(crate) fn snapshot() -> Snapshot {
    config::check(CONFIG, &|_| None).unwrap().0
}

impl World {
    /// The gateway before a provider that gives this answer, piece by piece.
    pub(crate) fn with_gateway(request: Vec<u8>, answer: Vec<Vec<u8>>) -> Self {
        let memory = Memory::new(answer);
        let tasks = LocalSet::new();
        let (links, mut inboxes) = bus::links(1, AccessLevel::Nothing);
        let (to_control, messages) = flume::bounded(64);
        let inbox = links[0].inbox.clone();
        let start = Start {
            number: 0,
            sockets: vec![()],
            admin_sockets: Vec::new(),
            snapshot: Arc::new(snapshot()),
            access: links[0].access.clone(),
            links,
            inbox: inboxes.remove(0),
            control: to_control,
            seed: 1,
        };
        let net = memory.clone();
        drop(tasks.spawn_local(async move { shard::run(net, start).await.unwrap() }));
        Self::new(tasks, move || memory.dial(), request, Some((inbox, messages)))
    }

    /// The provider alone: what the network and the client cost.
    pub(crate) fn without_gateway(request: Vec<u8>, answer: Vec<Vec<u8>>) -> Self {
        let memory = Memory::new(answer);
        Self::new(LocalSet::new(), move || memory.dial_provider(), request, None)
    }

    fn new(
        tasks: LocalSet,
        dial: impl FnOnce() -> Stream,
        request: Vec<u8>,
        control: Option<(flume::Sender<ToShard>, flume::Receiver<ToControl>)>,
    ) -> Self {
        let runtime = Builder::new_current_thread().build().unwrap();
        let client = tasks.block_on(&runtime, async { dial() });
        let mut world = Self { runtime, tasks, client, request, answer_length: 0, _control: control };
        world.answer_length = world.first_exchange();
        world
    }

    /// Sends the request and waits for the whole answer.
    pub(crate) fn exchange(&mut self) {
        self.tasks.block_on(&self.runtime, async {
            self.client.send(&self.request);
            let mut left = self.answer_length;
            while left > 0 {
                let length = self.client.receive(<[u8]>::len).await;
                assert!(length > 0, "the connection has ended");
                left -= length;
            }
        });
    }

    /// The first exchange of a connection; length of the answer, head and framing included.
    fn first_exchange(&self) -> usize {
        self.tasks.block_on(&self.runtime, async {
            self.client.send(&self.request);
            let (mut received, mut length) = (Vec::new(), 0);
            let mut head = ResponseHead::default();
            while !head.take(&mut received, false).unwrap() {
                let more = self.client.receive(<[u8]>::to_vec).await;
                length += more.len();
                received.extend(more);
            }
            assert_eq!(head.status, 200, "{}", String::from_utf8_lossy(&received));
            let mut body = BodyDecoder::new(head.framing);
            while body.push(&received, &mut Vec::new()).is_ok() && !body.is_done() {
                received = self.client.receive(<[u8]>::to_vec).await;
                length += received.len();
            }
            length
        })
    }
}
