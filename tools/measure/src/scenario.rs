//! What is measured.

use std::{error::Error, rc::Rc, time::Duration};

use tokio::time::sleep;

use crate::{
    load::{self, Connection},
    message::{self, TRANSLATED, VERBATIM},
    subject::Subject,
    upstream::EVENTS,
};

const PATH: &str = "/v1/chat/completions";

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// Processor time of a request, callers in closed loops.
    Closed { name: &'static str, model: &'static str, connections: usize, bytes: usize, is_encrypted: bool },
    /// Processor time of a request at a rate, requests a second.
    Rate { name: &'static str, rate: u64 },
    /// Processor time of an event.
    Events { name: &'static str, model: &'static str, connections: usize },
    /// The slowest of a thousand requests at a rate.
    Tail { name: &'static str, rate: u64 },
    /// The slowest request at a rate.
    Slowest { name: &'static str, rate: u64 },
    /// Memory before the first load.
    Memory { name: &'static str },
    /// Memory of a connection that has been used and is idle.
    IdleConnection { name: &'static str, connections: usize },
    /// From the start of the process to the first answer.
    FirstAnswer { name: &'static str },
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario::Closed { name: "c64", model: VERBATIM, connections: 64, bytes: 900, is_encrypted: false },
    Scenario::Closed { name: "c1", model: VERBATIM, connections: 1, bytes: 900, is_encrypted: false },
    Scenario::Rate { name: "rate1000", rate: 1000 },
    Scenario::Events { name: "events", model: VERBATIM, connections: 32 },
    Scenario::Closed { name: "90KB", model: VERBATIM, connections: 16, bytes: 90_000, is_encrypted: false },
    Scenario::Closed { name: "tls", model: VERBATIM, connections: 64, bytes: 900, is_encrypted: true },
    Scenario::Closed {
        name: "translated",
        model: TRANSLATED,
        connections: 64,
        bytes: 900,
        is_encrypted: false,
    },
    Scenario::Events { name: "translated-events", model: TRANSLATED, connections: 32 },
    Scenario::Tail { name: "p99.9", rate: 2000 },
    Scenario::Slowest { name: "slowest", rate: 2000 },
    Scenario::Memory { name: "memory" },
    Scenario::IdleConnection { name: "idle", connections: 2000 },
    Scenario::FirstAnswer { name: "start" },
];

impl Scenario {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Closed { name, .. }
            | Self::Rate { name, .. }
            | Self::Events { name, .. }
            | Self::Tail { name, .. }
            | Self::Slowest { name, .. }
            | Self::Memory { name }
            | Self::IdleConnection { name, .. }
            | Self::FirstAnswer { name } => name,
        }
    }

    pub fn unit(&self) -> &'static str {
        match self {
            Self::Closed { .. } | Self::Rate { .. } => "CPU µs/request",
            Self::Events { .. } => "CPU µs/event",
            Self::Tail { .. } | Self::Slowest { .. } => "µs",
            Self::Memory { .. } => "MB",
            Self::IdleConnection { .. } => "KB/connection",
            Self::FirstAnswer { .. } => "ms",
        }
    }

    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Closed { is_encrypted: true, .. })
    }
}

/// One figure, in the scenario's unit.
pub async fn measure(scenario: &Scenario, subject: &Subject, seconds: f64) -> Result<f64, Box<dyn Error>> {
    let time = Duration::from_secs_f64(seconds);
    let port = subject.port;
    let plain = Rc::new(message::request(PATH, VERBATIM, 900, false));
    Ok(match *scenario {
        Scenario::Closed { model, connections, bytes, .. } => {
            let request = Rc::new(message::request(PATH, model, bytes, false));
            let warm = load::closed_loop(port, connections, request.clone(), Duration::from_millis(200));
            warm.await?;
            let before = subject.processor_seconds()?;
            let count = load::closed_loop(port, connections, request, time).await?;
            (subject.processor_seconds()? - before) * 1e6 / count as f64
        }
        Scenario::Rate { rate, .. } => {
            let before = subject.processor_seconds()?;
            let (count, _) = load::open_loop(port, rate, plain, time).await?;
            (subject.processor_seconds()? - before) * 1e6 / count as f64
        }
        Scenario::Events { model, connections, .. } => {
            let request = Rc::new(message::request(PATH, model, 900, true));
            let before = subject.processor_seconds()?;
            let count = load::streams(port, connections, request, time).await?;
            (subject.processor_seconds()? - before) * 1e6 / (count * EVENTS as u64) as f64
        }
        Scenario::Tail { rate, .. } => {
            let (_, latencies) = load::open_loop(port, rate, plain, time * 2).await?;
            latencies.value_at_quantile(0.999) as f64
        }
        Scenario::Slowest { rate, .. } => {
            let (_, latencies) = load::open_loop(port, rate, plain, time * 2).await?;
            latencies.max() as f64
        }
        Scenario::Memory { .. } => subject.resident_bytes()? / 1e6,
        Scenario::IdleConnection { connections, .. } => {
            let before = subject.resident_bytes()?;
            let mut idle = Vec::new();
            for _ in 0..connections {
                let mut connection = Connection::open(port).await?;
                connection.call(&plain).await?;
                idle.push(connection);
            }
            sleep(Duration::from_millis(300)).await;
            (subject.resident_bytes()? - before) / 1024.0 / connections as f64
        }
        Scenario::FirstAnswer { .. } => subject.first_answer.as_secs_f64() * 1e3,
    })
}
