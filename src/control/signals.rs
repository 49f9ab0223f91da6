//! Being told to stop: the first time gently, the second time at once.

use std::{io, process};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit status of a process that was told twice, as shells give it for SIGINT.
const STATUS_INTERRUPTED: i32 = 130;

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    is_stopping: bool,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt, is_stopping: false })
    }

    /// Waits for the first signal; a second one ends the process.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        if self.is_stopping {
            process::exit(STATUS_INTERRUPTED);
        }
        self.is_stopping = true;
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping
    }
}
