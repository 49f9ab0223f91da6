//! The clock of one core: read once in each turn of a task, however often that asks for it.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use pin_project_lite::pin_project;

/// A clock that stands still while a task runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock(Rc<State>);

#[derive(Debug, Default)]
struct State {
    now: Cell<Option<Instant>>,
    turns: Cell<u64>,
}

impl Clock {
    /// The time when this turn first asked.
    pub(super) fn now(&self) -> Instant {
        self.0.now.get().unwrap_or_else(|| {
            let now = precise();
            self.0.now.set(Some(now));
            now
        })
    }

    /// Turns that tasks have had.
    pub(super) fn turns_so_far(&self) -> u64 {
        self.0.turns.get()
    }

    /// Lets the clock go on for a new turn.
    pub(super) fn turn(&self) {
        self.0.now.set(None);
        self.0.turns.set(self.0.turns.get().wrapping_add(1));
    }

    /// Lets the clock go on before each turn of a task.
    pub(super) fn turns<F: Future>(&self, task: F) -> Turns<F> {
        Turns { clock: self.clone(), task }
    }
}

pin_project! {
    /// A task and its clock. Not an `async` block, which would hold the task twice.
    pub(super) struct Turns<F> {
        clock: Clock,
        #[pin]
        task: F,
    }
}

impl<F: Future> Future for Turns<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.clock.turn();
        this.task.poll(cx)
    }
}

/// The time at this moment.
#[expect(clippy::disallowed_methods, reason = "the engines are where the clock is read")]
pub(super) fn precise() -> Instant {
    Instant::now()
}
