//! How other threads wake a task of a core that may be asleep in its reactor. The executor's own wakers stay
//! on their thread; what travels is the number of a task.

use std::{
    cell::{Cell, RefCell},
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Wake, Waker},
};

use crossbeam::queue::SegQueue;
use slab::Slab;

thread_local! {
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
    sender: UnixStream,
    receiver: UnixStream,
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
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        let bell = Bell { woken: SegQueue::new(), is_asleep: AtomicBool::new(false), sender, receiver };
        let tasks = Rc::new(Self { bell: Arc::new(bell), wakers: RefCell::default() });
        HERE.set(Some(tasks.clone()));
        Ok(tasks)
    }

    /// Becomes readable when the bell is rung.
    pub(super) fn receiver(&self) -> &UnixStream {
        &self.bell.receiver
    }

    /// Takes away what has made the receiver readable.
    pub(super) fn silence(&self) {
        let mut rung = [0; 64];
        while matches!((&self.bell.receiver).read(&mut rung), Ok(length) if length == rung.len()) {}
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

    /// Asks to be rung from now on; false where somebody has been woken already.
    pub(super) fn fall_asleep(&self) -> bool {
        self.bell.is_asleep.store(true, SeqCst);
        let may_sleep = self.bell.woken.is_empty();
        if !may_sleep {
            self.wake_up();
        }
        may_sleep
    }

    /// Needs not be rung any more.
    pub(super) fn wake_up(&self) {
        self.bell.is_asleep.store(false, SeqCst);
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
        if self.is_asleep.swap(false, SeqCst) {
            // A full socket has been rung enough.
            let _ = (&self.sender).write(&[1]);
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
