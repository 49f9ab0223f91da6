//! Whoever wakes a task of a core that falls asleep, or has ended, at that moment.

use std::{
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    task::{Wake, Waker},
};

use loom::{
    sync::Mutex,
    thread::{self, ThreadId},
};

use crate::{
    bell::{Place, Tasks},
    in_every_order,
    sync::{AtomicBool, Ordering::Relaxed},
};

#[test]
fn a_wake_reaches_a_core_that_falls_asleep_with_all_that_was_done_before() {
    in_every_order(|| {
        let core = Core::here();
        let done = Arc::new(AtomicBool::new(false));
        let (task, waker) = core.task();
        let waking = done.clone();
        thread::spawn(move || {
            waking.store(true, Relaxed);
            waker.wake();
        });
        core.sleep_until_woken(&task, 0);
        assert!(done.load(Relaxed));
    });
}

#[test]
fn each_of_two_threads_wakes_its_own_task() {
    in_every_order(|| {
        let core = Core::here();
        let tasks = [core.task(), core.task()].map(|(task, waker)| {
            thread::spawn(move || waker.wake());
            task
        });
        tasks.iter().for_each(|task| core.sleep_until_woken(task, 0));
        assert_eq!(tasks.map(|task| task.turns.count()), [1, 1]);
    });
}

#[test]
fn messages_are_received_whenever_they_are_sent() {
    in_every_order(|| {
        let inbox = Arc::new(Inbox::default());
        let core = Core::here();
        for _ in 0..2 {
            let inbox = inbox.clone();
            thread::spawn(move || inbox.send());
        }
        core.receive(&inbox, 2);
    });
}

#[test]
fn a_core_that_was_woken_falls_asleep_again_and_is_woken_again() {
    in_every_order(|| {
        let inbox = Arc::new(Inbox::default());
        let core = Core::here();
        let sending = inbox.clone();
        thread::spawn(move || (0..3).for_each(|_| sending.send()));
        core.receive(&inbox, 3);
    });
}

#[test]
fn cores_wake_each_other() {
    in_every_order(|| {
        let inboxes = [Arc::new(Inbox::default()), Arc::new(Inbox::default())];
        let [mine, theirs] = inboxes.clone();
        thread::spawn(move || {
            let core = Core::here();
            mine.send();
            core.receive(&theirs, 1);
        });
        let [theirs, mine] = inboxes;
        let core = Core::here();
        mine.send();
        core.receive(&theirs, 1);
    });
}

#[test]
fn a_wake_that_comes_after_a_tasks_end_never_reaches_it() {
    in_every_order(|| {
        let core = Core::here();
        let (ended, waker) = core.task();
        let waking = thread::spawn(move || waker.wake());
        core.tasks.wake_all();
        let Task { place, turns } = ended;
        drop(place);
        let before = turns.count();
        let (next, _) = core.task();
        waking.join().unwrap();
        core.tasks.wake_all();
        assert_eq!(turns.count(), before, "a task had a turn after its end");
        assert_eq!(before + next.turns.count(), 1, "one wake is one turn");
    });
}

#[test]
fn a_wake_that_comes_after_a_cores_end_reaches_nobody() {
    in_every_order(|| {
        let core = thread::spawn(|| {
            let core = Core::here();
            let (task, waker) = core.task();
            thread::spawn(move || waker.wake());
            core.tasks.wake_all();
            task.turns
        });
        assert!(core.join().unwrap().count() <= 1);
    });
}

/// A core that waits wherever its reactor may.
struct Core {
    tasks: Rc<Tasks>,
}

/// A task of a core, asleep from its first turn on.
struct Task {
    place: Place,
    turns: Arc<Turns>,
}

/// What the executor wakes a task with.
struct Turns {
    core: ThreadId,
    count: AtomicUsize,
}

/// A channel as the gateway's are: under a lock, and with the waker of who waits.
#[derive(Default)]
struct Inbox(Mutex<Letters>);

#[derive(Default)]
struct Letters {
    count: usize,
    waiting: Option<Waker>,
}

impl Core {
    fn here() -> Self {
        Self { tasks: Tasks::of_this_thread().unwrap() }
    }

    fn task(&self) -> (Task, Waker) {
        let (place, waker) = self.tasks.place();
        let turns = Arc::new(Turns { core: thread::current().id(), count: AtomicUsize::new(0) });
        place.set_task(&Waker::from(turns.clone()));
        (Task { place, turns }, waker)
    }

    /// Waits until a task has had more turns than so many.
    fn sleep_until_woken(&self, task: &Task, turns: usize) {
        while task.turns.count() == turns {
            if self.tasks.wake_all() == 0 {
                self.tasks.sleep(|| self.tasks.chime().wait());
            }
        }
    }

    fn receive(&self, inbox: &Inbox, count: usize) {
        let (task, waker) = self.task();
        loop {
            let turns = task.turns.count();
            if inbox.poll(count, &waker) {
                return;
            }
            self.sleep_until_woken(&task, turns);
        }
    }
}

impl Turns {
    fn count(&self) -> usize {
        self.count.load(Relaxed)
    }
}

impl Wake for Turns {
    fn wake(self: Arc<Self>) {
        assert_eq!(thread::current().id(), self.core, "the executor's wakers stay on their thread");
        self.count.fetch_add(1, Relaxed);
    }
}

impl Inbox {
    fn send(&self) {
        let waiting = {
            let mut letters = self.0.lock().unwrap();
            letters.count += 1;
            letters.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Whether so many letters have come; who asks is woken by the next one.
    fn poll(&self, count: usize, waker: &Waker) -> bool {
        let mut letters = self.0.lock().unwrap();
        letters.waiting = Some(waker.clone());
        letters.count == count
    }
}
