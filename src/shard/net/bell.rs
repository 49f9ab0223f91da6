//! How other threads wake a task of a core that may be asleep in its reactor. The executor's own wakers stay
//! on their thread; what travels is the number of a task.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
    sync::Arc,
    task::{Wake, Waker},
};

use slab::Slab;

use super::chime::Chime;
use crate::sync::{
    self, AtomicBool,
    Ordering::{Relaxed, SeqCst},
    SegQueue, fence,
};

sync::thread_local! {
    /// The tasks of this thread's core, if it has one.
    static HERE: RefCell<Option<Rc<Tasks>>> = const { RefCell::new(None) };
}

/// The tasks of one core, known on its own thread only.
#[derive(Debug)]
pub(super) struct Tasks {
    bell: Arc<Bell>,
    wakers: RefCell<Slab<Waker>>,
}

/// One core's bell, which any thread may ring.
#[derive(Debug)]
struct Bell {
    /// Numbers of tasks that other threads have woken.
    woken: SegQueue<usize>,
    is_asleep: AtomicBool,
    chime: Chime,
}

/// Wakes a task: at once on its own thread, by the bell from another one.
#[derive(Debug)]
struct TaskWaker {
    bell: Arc<Bell>,
    number: usize,
}

/// A task's place among those of its core, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    tasks: Rc<Tasks>,
    number: usize,
    is_known: Cell<bool>,
}

impl Tasks {
    /// The tasks of the calling thread's core.
    pub(super) fn of_this_thread() -> io::Result<Rc<Self>> {
        let bell = Bell { woken: SegQueue::new(), is_asleep: AtomicBool::new(false), chime: Chime::new()? };
        let tasks = Rc::new(Self { bell: Arc::new(bell), wakers: RefCell::default() });
        HERE.with(|here| here.replace(Some(tasks.clone())));
        Ok(tasks)
    }

    /// What rings where another thread has woken a task.
    pub(super) fn chime(&self) -> &Chime {
        &self.bell.chime
    }

    /// Wakes the tasks that others have woken; how many.
    pub(super) fn wake_all(&self) -> usize {
        let mut count = 0;
        while let Some(number) = self.bell.woken.pop() {
            self.wake(number);
            count += 1;
        }
        count
    }

    /// Waits for the chime and whatever else ends the wait, unless somebody has been woken already; whether it
    /// has waited.
    pub(super) fn sleep(&self, wait: impl FnOnce()) -> bool {
        self.bell.is_asleep.store(true, Relaxed);
        // Of two who pass their fences one sees what the other did before: us asleep, or somebody woken.
        fence(SeqCst);
        let may_sleep = self.bell.woken.is_empty();
        if may_sleep {
            wait();
        }
        self.bell.is_asleep.store(false, Relaxed);
        may_sleep
    }

    /// A place for a task, and the waker that it is to be polled with.
    pub(super) fn place(self: &Rc<Self>) -> (Place, Waker) {
        let number = self.wakers.borrow_mut().insert(Waker::noop().clone());
        let place = Place { tasks: self.clone(), number, is_known: Cell::new(false) };
        (place, Waker::from(Arc::new(TaskWaker { bell: self.bell.clone(), number })))
    }

    fn wake(&self, number: usize) {
        // A task that has ended needs no waking; one that has its number now has one turn too many.
        let waker = self.wakers.borrow().get(number).cloned();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Place {
    /// Which task has this place, said on each of its turns.
    pub(super) fn set_task(&self, task: &Waker) {
        if !self.is_known.replace(true)
            && let Some(waker) = self.tasks.wakers.borrow_mut().get_mut(self.number)
        {
            waker.clone_from(task);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let waker = self.tasks.wakers.borrow_mut().try_remove(self.number);
        drop(waker);
    }
}

impl Bell {
    fn wake(&self, number: usize) {
        self.woken.push(number);
        fence(SeqCst);
        if self.is_asleep.compare_exchange(true, false, Relaxed, Relaxed).is_ok() {
            self.chime.ring();
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let here = HERE.try_with(|here| {
            let here = here.borrow();
            here.as_ref()
                .filter(|tasks| Arc::ptr_eq(&tasks.bell, &self.bell))
                .map(|tasks| tasks.wake(self.number))
        });
        if here.ok().flatten().is_none() {
            self.bell.wake(self.number);
        }
    }
}
