//! Request bodies on their way to an upstream: what is held goes at once, the rest as the client sends it.

use std::{
    borrow::Cow,
    io::IoSlice,
    task::{Context, Poll, ready},
};

use futures_lite::{AsyncRead, AsyncWrite};

use super::{
    connection::{Client, Ending},
    net::Net,
    socket::{Scratch, Socket},
};
use crate::{
    dialect::{FormScanner, Splice},
    http::{Framing, chunk_head},
    ir::ApiError,
};

/// Buffers moved before others get their turn.
const ROUNDS_MAX: usize = 16;

/// A request's body: the part that is held, in up to three pieces, and whether more is to come.
pub(super) struct Payload<'a> {
    /// How the upstream is told its length.
    pub(super) framing: Framing,
    /// Whether the client has not sent all of it.
    pub(super) has_rest: bool,
    pieces: [Cow<'a, [u8]>; 3],
}

/// The part of a request that has not been sent: what was held back, and what is still with the client.
pub(super) struct Rest<'a, N: Net> {
    /// None where the client has sent everything.
    client: Option<&'a Client<N>>,
    is_chunked: bool,
    /// Where it is a form whose model is known: there must be no other.
    form: Option<Box<FormScanner>>,
    is_read: bool,
    /// What has been read and not been sent, framed.
    buffer: Vec<u8>,
    sent: usize,
    is_flushed: bool,
    /// Bytes that have come from the client, and that have gone to the upstream.
    moved: u64,
}

/// Why the rest of a body cannot be passed on.
pub(super) enum Stuck {
    /// The client's fault, or its end.
    Client(Ending),
    /// The upstream takes no more; it may still answer.
    Upstream,
}

impl<'a> Payload<'a> {
    /// A body as the client framed it, with one range replaced.
    pub(super) fn new(body: &'a [u8], splice: Option<Splice>, is_whole: bool, framing: Framing) -> Self {
        let pieces = match splice {
            None => [Cow::Borrowed(body), Cow::default(), Cow::default()],
            Some(splice) => splice.pieces(body),
        };
        let held: usize = pieces.iter().map(|piece| piece.len()).sum();
        let framing = match framing {
            Framing::Empty => Framing::Empty,
            _ if is_whole => Framing::Length(held as u64),
            Framing::Length(length) => Framing::Length(length - body.len() as u64 + held as u64),
            other => other,
        };
        Self { framing, has_rest: !is_whole, pieces }
    }

    /// A body that is all there.
    pub(super) fn whole(body: &'a [u8]) -> Self {
        let pieces = [Cow::Borrowed(body), Cow::default(), Cow::default()];
        Self { framing: Framing::Length(body.len() as u64), has_rest: false, pieces }
    }

    /// No body.
    pub(super) fn none() -> Self {
        Self { framing: Framing::Empty, has_rest: false, pieces: Default::default() }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }

    /// Holds nothing any more.
    pub(super) fn clear(&mut self) {
        self.pieces = Default::default();
    }

    /// What is held, framed for the wire; `size_line` lends room for a chunk's size.
    pub(super) fn framed<'s>(&'s self, size_line: &'s mut Vec<u8>) -> [&'s [u8]; 5] {
        let held = self.held();
        let [first, second, third] = self.pieces.each_ref().map(|piece| &**piece);
        size_line.clear();
        if self.framing != Framing::Chunked || held == 0 {
            return [first, second, third, b"", b""];
        }
        size_line.extend_from_slice(chunk_head(held).as_bytes());
        [size_line, first, second, third, b"\r\n"]
    }
}

impl<'a, N: Net> Rest<'a, N> {
    pub(super) fn new(client: &'a Client<N>, framing: Framing, form: Option<Box<FormScanner>>) -> Self {
        let is_chunked = framing == Framing::Chunked;
        Self { client: Some(client), is_chunked, form, is_read: false, ..Self::held() }
    }

    /// Nothing but what is held.
    pub(super) fn held() -> Self {
        Self {
            client: None,
            is_chunked: false,
            form: None,
            is_read: true,
            buffer: Vec::new(),
            sent: 0,
            is_flushed: true,
            moved: 0,
        }
    }

    /// Sends that first, and flushes it.
    pub(super) fn hold_back(&mut self, unsent: &[IoSlice<'_>]) {
        unsent.iter().for_each(|slice| self.buffer.extend_from_slice(slice));
        self.is_flushed = false;
    }

    /// Bytes that have come from the client or have gone to the upstream so far.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Whether everything that came has been sent, so that only the client can go on.
    pub(super) fn waits_for_client(&self) -> bool {
        self.sent == self.buffer.len() && !self.is_read
    }

    /// Moves bytes from the client to the upstream, one buffer at a time, until the body has ended.
    pub(super) fn poll<S>(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &Scratch,
        upstream: &Socket<S>,
    ) -> Poll<Result<(), Stuck>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        for _ in 0..ROUNDS_MAX {
            // What is sent may still have to be flushed: over TLS it is not gone before.
            if !self.is_flushed {
                let before = self.buffer.len() - self.sent;
                let mut slices = [IoSlice::new(&self.buffer[self.sent..])];
                let mut left = &mut slices[..];
                let sent = upstream.poll_send(cx, &mut left);
                let unsent: usize = left.iter().map(|slice| slice.len()).sum();
                self.sent += before - unsent;
                self.moved += (before - unsent) as u64;
                ready!(sent).map_err(|_| Stuck::Upstream)?;
                self.is_flushed = true;
                self.buffer.clear();
                self.sent = 0;
            }
            let Some(client) = self.client.filter(|_| !self.is_read) else { return Poll::Ready(Ok(())) };
            let mut content = std::mem::take(&mut self.buffer);
            let read = client.poll_body(cx, scratch, &mut content);
            self.moved += content.len() as u64;
            let is_read = match read {
                Poll::Ready(read) => read.map_err(Stuck::Client)?,
                Poll::Pending => {
                    self.buffer = content;
                    return Poll::Pending;
                }
            };
            if let Some(form) = &mut self.form {
                let refused = |error| Stuck::Client(Ending::Refused(ApiError::from(error)));
                form.push(&content).map_err(refused)?;
            }
            self.is_read = is_read;
            self.buffer = if self.is_chunked { chunked(&content, is_read) } else { content };
            self.is_flushed = self.buffer.is_empty();
        }
        // Both sides are fast: let others have their turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn chunked(content: &[u8], is_last: bool) -> Vec<u8> {
    let mut framed = Vec::with_capacity(content.len() + 32);
    if !content.is_empty() {
        framed.extend_from_slice(chunk_head(content.len()).as_bytes());
        framed.extend_from_slice(content);
        framed.extend_from_slice(b"\r\n");
    }
    if is_last {
        framed.extend_from_slice(b"0\r\n\r\n");
    }
    framed
}
