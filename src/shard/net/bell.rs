//! How other threads wake a task of a core that may be asleep in its reactor.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

use crossbeam::queue::SegQueue;

thread_local! {
    /// The bell of this thread, by address; 0 where it has none.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// One core's bell.
#[derive(Debug)]
pub(super) struct Bell {
    /// Tasks that others have woken.
    woken: SegQueue<Waker>,
    is_asleep: AtomicBool,
    sender: UnixStream,
    receiver: UnixStream,
}

/// Wakes a task: at once on its own thread, by the bell from another one.
#[derive(Debug)]
pub(super) struct TaskWaker {
    bell: Arc<Bell>,
    task: OnceLock<Waker>,
}

impl Bell {
    /// A bell for the calling thread.
    pub(super) fn of_this_thread() -> io::Result<Arc<Self>> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        let bell =
            Arc::new(Self { woken: SegQueue::new(), is_asleep: AtomicBool::new(false), sender, receiver });
        HERE.set(bell.address());
        Ok(bell)
    }

    /// Becomes readable when the bell is rung.
    pub(super) fn receiver(&self) -> &UnixStream {
        &self.receiver
    }

    /// Takes away what has made the receiver readable.
    pub(super) fn silence(&self) {
        let mut rung = [0; 64];
        while matches!((&self.receiver).read(&mut rung), Ok(length) if length == rung.len()) {}
    }

    /// Wakes the tasks that others have woken; how many.
    pub(super) fn wake_all(&self) -> usize {
        let mut count = 0;
        while let Some(waker) = self.woken.pop() {
            waker.wake();
            count += 1;
        }
        count
    }

    /// Asks to be rung from now on; false where somebody has been woken already.
    pub(super) fn fall_asleep(&self) -> bool {
        self.is_asleep.store(true, SeqCst);
        let may_sleep = self.woken.is_empty();
        if !may_sleep {
            self.wake_up();
        }
        may_sleep
    }

    /// Needs not be rung any more.
    pub(super) fn wake_up(&self) {
        self.is_asleep.store(false, SeqCst);
    }

    fn wake(&self, task: &Waker) {
        self.woken.push(task.clone());
        if self.is_asleep.swap(false, SeqCst) {
            // A full socket has been rung enough.
            let _ = (&self.sender).write(&[1]);
        }
    }

    fn address(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self).addr()
    }
}

impl TaskWaker {
    /// A waker for a task of the core that has this bell.
    pub(super) fn new(bell: Arc<Bell>) -> Arc<Self> {
        Arc::new(Self { bell, task: OnceLock::new() })
    }

    /// Which task it is, said on its first turn.
    pub(super) fn set_task(&self, task: &Waker) {
        self.task.get_or_init(|| task.clone());
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(task) = self.task.get() else { return };
        if HERE.get() == self.bell.address() {
            task.wake_by_ref();
        } else {
            self.bell.wake(task);
        }
    }
}
