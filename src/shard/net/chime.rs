//! What rings at a core that is asleep: a pair of sockets, of which its reactor watches one.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
};

/// Readable from the first ring until silenced.
#[derive(Debug)]
pub(super) struct Chime {
    sender: UnixStream,
    receiver: UnixStream,
}

impl Chime {
    pub(super) fn new() -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        Ok(Self { sender, receiver })
    }

    /// Makes it readable, from any thread.
    pub(super) fn ring(&self) {
        // A full socket has been rung enough.
        let _ = (&self.sender).write(&[1]);
    }

    /// Takes away what has made it readable.
    pub(super) fn silence(&self) {
        let mut rung = [0; 64];
        while matches!((&self.receiver).read(&mut rung), Ok(length) if length == rung.len()) {}
    }
}

impl AsRawFd for Chime {
    fn as_raw_fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }
}
