//! One connection, read and written at the same time by one task.

use std::{
    cell::RefCell,
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_lite::{AsyncRead, AsyncWrite};

/// The buffer of a core that every receive goes through, so that nobody who waits needs one.
pub(super) type Scratch = RefCell<Box<[u8]>>;

/// A stream that is only borrowed while it is polled.
pub(super) struct Socket<S>(RefCell<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(RefCell::new(stream))
    }

    pub(super) fn into_inner(self) -> S {
        self.0.into_inner()
    }

    /// Asks something about the stream itself.
    pub(super) fn ask<T>(&self, question: impl FnOnce(&S) -> T) -> T {
        question(&self.0.borrow())
    }

    /// Appends what has come to `received`; 0 bytes mean that the peer sends no more.
    pub(super) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        scratch: &Scratch,
        received: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let take = |bytes: &[u8]| {
            received.extend_from_slice(bytes);
            bytes.len()
        };
        self.poll_receive_with(cx, scratch, take)
    }

    /// Hands what has come to `take`, without a copy.
    pub(super) fn poll_receive_with<T>(
        &self,
        cx: &mut Context<'_>,
        scratch: &Scratch,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<T>> {
        let mut scratch = scratch.borrow_mut();
        let length = ready!(Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, &mut scratch))?;
        Poll::Ready(Ok(take(&scratch[..length])))
    }

    /// Sends all of `parts`, keeping in them what is left.
    pub(super) fn poll_send(
        &self,
        cx: &mut Context<'_>,
        parts: &mut &mut [IoSlice<'_>],
    ) -> Poll<io::Result<()>> {
        let mut stream = self.0.borrow_mut();
        IoSlice::advance_slices(parts, 0);
        while let Some(first) = parts.first() {
            // For one slice the plain call is cheaper.
            let sent = match parts.len() {
                1 => ready!(Pin::new(&mut *stream).poll_write(cx, first))?,
                _ => ready!(Pin::new(&mut *stream).poll_write_vectored(cx, parts))?,
            };
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            IoSlice::advance_slices(parts, sent);
        }
        Pin::new(&mut *stream).poll_flush(cx)
    }

    /// Sends all of `parts`.
    pub(super) async fn send<const COUNT: usize>(&self, parts: [&[u8]; COUNT]) -> io::Result<()> {
        let mut slices = parts.map(IoSlice::new);
        let mut left = &mut slices[..];
        poll_fn(|cx| self.poll_send(cx, &mut left)).await
    }

    /// Says that nothing more will be sent.
    pub(super) async fn close(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_close(cx)).await
    }

    /// See `close`.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_close(cx)
    }
}
