//! One thread that runs tasks in an order drawn from a seed, under a clock that only it moves.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use crossbeam::queue::SegQueue;

/// The clock moves up to this much with each step, so that no two steps need be at the same time.
const STEP_MICROSECONDS_MAX: u64 = 40;

/// Runs tasks; a handle on it may be kept by all of them.
#[derive(Clone)]
pub(crate) struct Executor(Rc<Inner>);

struct Inner {
    began: Instant,
    now: Cell<Duration>,
    rng: RefCell<fastrand::Rng>,
    tasks: RefCell<BTreeMap<u64, Running>>,
    ready: RefCell<Vec<u64>>,
    woken: Arc<SegQueue<u64>>,
    timers: RefCell<BTreeMap<(Duration, u64), Waker>>,
    /// Numbers for tasks and timers.
    next: Cell<u64>,
}

struct Running {
    owner: Owner,
    /// Away while it is polled.
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Waker,
    is_ready: bool,
    is_cancelled: bool,
}

/// Whom a task belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Owner {
    /// The shell under test.
    Shell,
    /// The world around it.
    World,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// A task ran.
    Ran(u64),
    /// No task was ready, so that the clock went on to the next timer.
    Waited,
    /// No task is ready and no timer is set: nothing can ever happen again.
    Stuck,
}

/// A running task; dropping it cancels the task, some steps later.
pub(crate) struct Task {
    executor: Executor,
    number: u64,
}

/// A timer; ends once its time is over.
pub(crate) struct Sleep {
    executor: Executor,
    at: Duration,
    number: u64,
}

struct TaskWaker {
    number: u64,
    woken: Arc<SegQueue<u64>>,
}

impl Executor {
    pub(crate) fn new(rng: fastrand::Rng) -> Self {
        Self(Rc::new(Inner {
            began: Instant::now(),
            now: Cell::default(),
            rng: RefCell::new(rng),
            tasks: RefCell::default(),
            ready: RefCell::default(),
            woken: Arc::default(),
            timers: RefCell::default(),
            next: Cell::default(),
        }))
    }

    /// Time since the world began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.now.get()
    }

    /// The clock of the tasks.
    pub(crate) fn now(&self) -> Instant {
        self.0.began + self.0.now.get()
    }

    /// The dice.
    pub(crate) fn chance<T>(&self, roll: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        roll(&mut self.0.rng.borrow_mut())
    }

    /// Starts a task.
    #[must_use = "dropping it cancels the task"]
    pub(crate) fn spawn(&self, owner: Owner, future: impl Future<Output = ()> + 'static) -> Task {
        let number = self.next_number();
        let waker = Waker::from(Arc::new(TaskWaker { number, woken: self.0.woken.clone() }));
        let future: Pin<Box<dyn Future<Output = ()>>> = Box::pin(future);
        let running = Running { owner, future: Some(future), waker, is_ready: false, is_cancelled: false };
        self.0.tasks.borrow_mut().insert(number, running);
        self.0.woken.push(number);
        Task { executor: self.clone(), number }
    }

    /// Ends at that time.
    pub(crate) fn sleep(&self, time: Duration) -> Sleep {
        Sleep { executor: self.clone(), at: self.elapsed() + time, number: self.next_number() }
    }

    /// Wakes a task at that time, which may be for nothing.
    pub(crate) fn wake_at(&self, at: Duration, waker: &Waker) {
        if at <= self.elapsed() {
            waker.wake_by_ref();
        } else {
            self.0.timers.borrow_mut().insert((at, self.next_number()), waker.clone());
        }
    }

    /// Tasks that have not ended.
    pub(crate) fn tasks(&self, owner: Owner) -> usize {
        self.0.tasks.borrow().values().filter(|task| task.owner == owner).count()
    }

    /// Drops all tasks, so that nothing keeps itself alive in a circle.
    pub(crate) fn clear(&self) {
        let tasks = self.0.tasks.take();
        drop(tasks);
        self.0.timers.take();
    }

    /// Runs one ready task, drawn by chance, or lets time pass.
    pub(crate) fn step(&self) -> Step {
        self.ring();
        self.gather();
        let drawn = {
            let mut ready = self.0.ready.borrow_mut();
            (!ready.is_empty()).then(|| {
                let position = self.chance(|rng| rng.usize(..ready.len()));
                ready.swap_remove(position)
            })
        };
        match drawn {
            Some(number) => {
                self.run(number);
                let moved = self.chance(|rng| rng.u64(..STEP_MICROSECONDS_MAX));
                self.0.now.set(self.elapsed() + Duration::from_micros(moved));
                Step::Ran(number)
            }
            None => {
                let Some(at) = self.0.timers.borrow().keys().next().map(|(at, _)| *at) else {
                    return Step::Stuck;
                };
                self.0.now.set(self.elapsed().max(at));
                Step::Waited
            }
        }
    }

    /// Wakes those whose time has come.
    fn ring(&self) {
        loop {
            let mut timers = self.0.timers.borrow_mut();
            match timers.first_entry() {
                Some(first) if first.key().0 <= self.elapsed() => first.remove().wake(),
                _ => return,
            }
        }
    }

    fn gather(&self) {
        let mut tasks = self.0.tasks.borrow_mut();
        while let Some(number) = self.0.woken.pop() {
            if let Some(task) = tasks.get_mut(&number).filter(|task| !task.is_ready) {
                task.is_ready = true;
                self.0.ready.borrow_mut().push(number);
            }
        }
    }

    fn run(&self, number: u64) {
        let taken = self.0.tasks.borrow_mut().get_mut(&number).and_then(|task| {
            task.is_ready = false;
            Some((task.future.take()?, task.waker.clone(), task.is_cancelled))
        });
        let Some((mut future, waker, is_cancelled)) = taken else { return };
        let is_ended = is_cancelled || future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if is_ended {
            // What it owns may end other tasks, and look at this one.
            drop(future);
            self.0.tasks.borrow_mut().remove(&number);
        } else if let Some(task) = self.0.tasks.borrow_mut().get_mut(&number) {
            task.future = Some(future);
        }
    }

    fn next_number(&self) -> u64 {
        self.0.next.replace(self.0.next.get() + 1)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.woken.push(self.number);
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // Both engines drop the future of a cancelled task in a turn of its own.
        if let Some(task) = self.executor.0.tasks.borrow_mut().get_mut(&self.number) {
            task.is_cancelled = true;
            self.executor.0.woken.push(self.number);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.executor.elapsed() >= self.at {
            return Poll::Ready(());
        }
        self.executor.0.timers.borrow_mut().insert((self.at, self.number), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.executor.0.timers.borrow_mut().remove(&(self.at, self.number));
    }
}
