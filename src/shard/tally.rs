//! What is known of a request while it lasts; counted and logged when dropped, however the request ends.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use super::{connection::Client, net::Net, state::ShardState};
use crate::{
    bus::{Access, Content},
    http::RequestHead,
    ir::{ApiError, Blame},
    metrics::{RequestLabels, Requested, SeriesId},
    route::template,
};

/// One request of a client.
pub(super) struct Tally<'a, N: Net> {
    request_id: [u8; 32],
    pub(super) shard: &'a ShardState<N>,
    client: &'a Client<N>,
    labels: Cell<RequestLabels>,
    began: Instant,
    bytes_out: Cell<u64>,
    fault: Cell<Option<Fault>>,
    called: Cell<Option<Called>>,
    /// Account, key and model, where the labels of the call do not tell them.
    names: RefCell<Option<Box<[String; 3]>>>,
    /// What is said, where the operator asked for it.
    content: RefCell<Option<Box<Content>>>,
}

/// The call to a provider that served the request.
#[derive(Clone, Copy)]
pub(super) struct Called {
    pub(super) series: SeriesId,
    pub(super) duration: Duration,
    pub(super) is_streamed: bool,
}

#[derive(Clone, Copy)]
struct Fault {
    code: Option<&'static str>,
    source: &'static str,
}

impl<'a, N: Net> Tally<'a, N> {
    pub(super) fn new(shard: &'a ShardState<N>, client: &'a Client<N>, head: &RequestHead) -> Self {
        let method = ["GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS"]
            .into_iter()
            .find(|known| *known == head.method())
            .unwrap_or("other");
        // A request that nobody answers has been left by its client.
        let labels = RequestLabels { path: template(head.path()), method, status: 499 };
        Self {
            request_id: shard.new_id(),
            shard,
            client,
            labels: Cell::new(labels),
            began: shard.net.now(),
            bytes_out: Cell::new(0),
            fault: Cell::new(None),
            called: Cell::new(None),
            names: RefCell::new(None),
            content: RefCell::new(None),
        }
    }

    /// What the client is told to ask us by.
    pub(super) fn request_id(&self) -> &str {
        std::str::from_utf8(&self.request_id).unwrap_or_default()
    }

    /// What the client is answered.
    pub(super) fn answered(&self, status: u16) {
        self.labels.set(RequestLabels { status, ..self.labels.get() });
    }

    /// Content that goes to the client.
    pub(super) fn passed(&self, length: usize) {
        self.bytes_out.set(self.bytes_out.get() + length as u64);
    }

    /// The log is to tell what is said from here on, and what was asked.
    pub(super) fn quote(&self, request: &[u8]) {
        if self.shard.access.is_on() {
            self.content.borrow_mut().get_or_insert_default().request.push(request);
        }
    }

    /// Text that goes to the client.
    pub(super) fn said(&self, text: &[u8]) {
        if let Some(content) = &mut *self.content.borrow_mut() {
            content.response.push(text);
        }
    }

    /// What went wrong, in our words.
    pub(super) fn failed(&self, error: &ApiError) {
        let source = match error.blame {
            Blame::Client => "client",
            Blame::Gateway => "gateway",
            Blame::Provider => "provider",
        };
        self.fault.set(Some(Fault { code: error.code, source }));
    }

    /// The provider's refusal is what the client gets.
    pub(super) fn refused(&self, source: &'static str) {
        self.fault.set(Some(Fault { code: None, source }));
    }

    /// A call has ended; the last one counts.
    pub(super) fn called(&self, called: Called, names: Option<Box<[String; 3]>>) {
        self.called.set(Some(called));
        self.names.replace(names);
    }

    fn log(&self, now: Instant, duration: Duration) {
        let RequestLabels { path, method, status } = self.labels.get();
        let mut access = Access::new(now, self.request_id, method, path);
        access.duration = duration;
        access.status = status;
        access.bytes_in = self.client.body_bytes();
        access.bytes_out = self.bytes_out.get();
        access.is_client_gone = self.client.is_gone();
        access.content = self.content.take();
        if let Some(fault) = self.fault.get() {
            access.error_code = fault.code;
            access.error_source = Some(fault.source);
        }
        let mut counters = self.shard.counters.borrow_mut();
        if let Some(called) = self.called.get() {
            access.upstream = Some(called.duration);
            access.is_streamed = called.is_streamed;
            match (&*self.names.borrow(), counters.labels(called.series)) {
                (Some(names), _) => access.set_names(names.each_ref().map(String::as_str)),
                (None, Some(labels)) => access.set_names([&labels.provider, &labels.key_name, &labels.model]),
                (None, None) => {}
            }
        }
        if !self.shard.access.push(access, &self.shard.control) {
            counters.log_lines_dropped += 1;
        }
    }
}

impl<N: Net> Drop for Tally<'_, N> {
    fn drop(&mut self) {
        let now = self.shard.net.now();
        let duration = now.saturating_duration_since(self.began);
        let labels = self.labels.get();
        let request =
            Requested { duration, bytes_in: self.client.body_bytes(), bytes_out: self.bytes_out.get() };
        self.shard.counters.borrow_mut().count_request(labels, &request);
        if self.shard.access.wants(labels.status) {
            self.log(now, duration);
        }
    }
}
