//! The clock of one core: read once in each turn of a task, however often that asks for it.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    time::Instant,
};

/// A clock that stands still while a task runs.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock(Rc<Cell<Option<Instant>>>);

impl Clock {
    /// The time when this turn first asked.
    pub(super) fn now(&self) -> Instant {
        self.0.get().unwrap_or_else(|| {
            let now = precise();
            self.0.set(Some(now));
            now
        })
    }

    /// Lets the clock go on before each turn of a task.
    pub(super) fn turns<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let clock = self.clone();
        async move {
            let mut future = pin!(future);
            poll_fn(|cx| {
                clock.0.set(None);
                future.as_mut().poll(cx)
            })
            .await
        }
    }
}

/// The time at this moment.
#[expect(clippy::disallowed_methods, reason = "the engines are where the clock is read")]
pub(super) fn precise() -> Instant {
    Instant::now()
}
