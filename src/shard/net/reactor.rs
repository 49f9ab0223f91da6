//! Which sockets of a core are ready, and which timers have rung: told by a ring of its own that keeps one
//! multishot poll for each socket. `unsafe` because the kernel is given descriptors.
#![expect(unsafe_code, reason = "entries of the ring name descriptors that must stay open")]

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::{Future, poll_fn},
    io::{self, Write},
    os::{
        fd::{AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use io_uring::{
    IoUring, cqueue, opcode, squeue,
    types::{Fd, SubmitArgs, Timespec},
};
use slab::Slab;

use super::{
    bell::Tasks,
    clock::{self, Clock},
};

/// Entries of the submission ring: polls to add and to remove before the kernel is told.
const SUBMISSIONS: u32 = 256;
/// Entries of the completion ring; what does not fit waits in the kernel.
const COMPLETIONS: u32 = 4096;
/// A reactor with nothing to wait for looks around once in this time.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// Marks, in what a poll is known by, that it was to be taken away.
const REMOVAL: u64 = 1 << 31;

/// One core's reactor.
pub(super) struct Reactor {
    ring: RefCell<IoUring>,
    /// What did not fit into the submission ring, in its order.
    backlog: RefCell<VecDeque<squeue::Entry>>,
    sources: RefCell<Slab<Source>>,
    /// Told apart from those that had the same place before.
    generation: Cell<u32>,
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
    timer_id: Cell<u64>,
    /// How often the kernel has been waited for.
    waits: Cell<u64>,
    tasks: Rc<Tasks>,
    clock: Clock,
}

/// A side of a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Read,
    Write,
}

struct Source {
    descriptor: RawFd,
    generation: u32,
    /// Whether the socket is worth a try, by side.
    is_ready: [bool; 2],
    /// Whether the peer is known to send no more, so that reading never has to wait.
    is_ended: bool,
    waiting: [Option<Waker>; 2],
}

/// A socket that the reactor watches; it stops when this is dropped, which must come before the socket's end.
pub(super) struct Watch {
    reactor: Rc<Reactor>,
    key: usize,
}

/// A timer of the reactor.
pub(super) struct Sleep {
    reactor: Rc<Reactor>,
    deadline: Instant,
    id: Option<u64>,
}

/// A ring with the flags that this kernel knows: completions then never interrupt the running thread.
fn ring() -> io::Result<IoUring> {
    let with = |is_single: bool, is_cooperative: bool| {
        let mut builder = IoUring::builder();
        builder.setup_clamp().setup_cqsize(COMPLETIONS);
        if is_single {
            builder.setup_single_issuer();
        }
        if is_cooperative {
            builder.setup_coop_taskrun();
        }
        builder.build(SUBMISSIONS)
    };
    with(true, true).or_else(|_| with(false, true)).or_else(|_| with(false, false))
}

impl Reactor {
    pub(super) fn new(clock: Clock) -> io::Result<Rc<Self>> {
        Ok(Rc::new(Self {
            ring: RefCell::new(ring()?),
            backlog: RefCell::default(),
            sources: RefCell::default(),
            generation: Cell::new(0),
            timers: RefCell::default(),
            timer_id: Cell::new(0),
            waits: Cell::new(0),
            tasks: Tasks::of_this_thread()?,
            clock,
        }))
    }

    /// The tasks of this core, as other threads wake them.
    pub(super) fn tasks(&self) -> &Rc<Tasks> {
        &self.tasks
    }

    /// How often it has waited for the kernel, which then has told what there is.
    pub(super) fn waits_so_far(&self) -> u64 {
        self.waits.get()
    }

    /// Turns for ever: waits where no other task has had a turn since the last time, so that none is ready.
    pub(super) async fn run(self: Rc<Self>) {
        let bell = Watch::new(self.clone(), self.tasks.chime(), false);
        let mut turns = self.clock.turns_so_far();
        poll_fn(|cx| {
            if bell.poll_ready(cx, Side::Read).is_ready() {
                self.tasks.chime().silence();
                bell.not_ready(Side::Read);
            }
            let is_quiet = turns == self.clock.turns_so_far();
            turns = self.clock.turns_so_far();
            self.turn(is_quiet);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await
    }

    fn turn(&self, is_quiet: bool) {
        let woken = self.tasks.wake_all() + self.ring_timers() + self.take_completions();
        let is_told = self.tell();
        if woken == 0 && is_quiet && is_told && self.tasks.sleep(|| self.wait()) {
            self.take_completions();
            self.waits.set(self.waits.get().wrapping_add(1));
        }
    }

    /// Waits for an event, a timer or the bell.
    fn wait(&self) {
        let first = self.timers.borrow().first_key_value().map(|((deadline, _), _)| *deadline);
        let time = first.map_or(IDLE_MAX, |deadline| deadline.saturating_duration_since(clock::precise()));
        let timespec = Timespec::from(time.min(IDLE_MAX));
        // What ends the wait early (a signal, a full ring) is dealt with in the next turn.
        let _ = self.ring.borrow().submitter().submit_with_args(1, &SubmitArgs::new().timespec(&timespec));
    }

    /// Asks the kernel for something, with the next turn.
    fn ask(&self, entry: squeue::Entry) {
        self.backlog.borrow_mut().push_back(entry);
    }

    /// Tells the kernel what was asked of it; false where something is left for the next turn.
    fn tell(&self) -> bool {
        let mut backlog = self.backlog.borrow_mut();
        let mut ring = self.ring.borrow_mut();
        while let Some(entry) = backlog.front() {
            // SAFETY: polls name descriptors and no memory.
            if unsafe { ring.submission().push(entry) }.is_ok() {
                backlog.pop_front();
            } else if ring.submit().is_err() {
                return false;
            }
        }
        ring.submission().is_empty() || ring.submit().is_ok()
    }

    /// Wakes who waits for what has become ready; how many events there were.
    fn take_completions(&self) -> usize {
        let mut count = 0;
        loop {
            let Some(completion) = self.ring.borrow_mut().completion().next() else { return count };
            let watched = completion.user_data();
            if watched & REMOVAL == 0 {
                count += 1;
                self.take(&completion);
            } else if completion.result() == -libc::EALREADY {
                // It was about to tell something; while it stays, so does the connection, whoever closes it.
                self.ask(removal(watched & !REMOVAL));
            }
        }
    }

    fn take(&self, completion: &cqueue::Entry) {
        let (key, generation) =
            (completion.user_data() as u32 as usize, (completion.user_data() >> 32) as u32);
        let waiting = {
            let mut sources = self.sources.borrow_mut();
            let Some(source) = sources.get_mut(key).filter(|source| source.generation == generation) else {
                return;
            };
            // An error means that nothing is known: trying tells.
            let events = match u32::try_from(completion.result()) {
                Ok(events) => events as i32,
                Err(_) => i32::from(libc::POLLIN | libc::POLLOUT),
            };
            let has = |wanted: libc::c_short| events & i32::from(wanted) != 0;
            source.is_ended |= has(libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR);
            let is_now = [
                has(libc::POLLIN | libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR),
                has(libc::POLLOUT | libc::POLLHUP | libc::POLLERR),
            ];
            let mut waiting = [None, None];
            for side in [Side::Read, Side::Write].map(|side| side as usize) {
                source.is_ready[side] |= is_now[side];
                if is_now[side] {
                    waiting[side] = source.waiting[side].take();
                }
            }
            if !cqueue::more(completion.flags()) {
                self.ask(poll(source.descriptor, completion.user_data()));
            }
            waiting
        };
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    fn ring_timers(&self) -> usize {
        let mut count = 0;
        if self.timers.borrow().is_empty() {
            return count;
        }
        let now = clock::precise();
        loop {
            let mut timers = self.timers.borrow_mut();
            let Some(first) = timers.first_entry().filter(|first| first.key().0 <= now) else { return count };
            let waker = first.remove();
            drop(timers);
            waker.wake();
            count += 1;
        }
    }
}

/// Whether this kernel knows polls that go on: the ring is made as a reactor makes it, and tried.
pub(super) fn probe() -> io::Result<bool> {
    let mut ring = ring()?;
    let (socket, peer) = UnixStream::pair()?;
    // SAFETY: a poll keeps its file open by itself.
    let is_pushed = unsafe { ring.submission().push(&poll(peer.as_raw_fd(), 0)) }.is_ok();
    (&socket).write_all(b"x")?;
    ring.submit_and_wait(1)?;
    let completion = ring.completion().next();
    Ok(is_pushed && completion.is_some_and(|told| told.result() > 0 && cqueue::more(told.flags())))
}

/// One poll that reports each change until it is removed.
fn poll(descriptor: RawFd, user_data: u64) -> squeue::Entry {
    let events = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
    opcode::PollAdd::new(Fd(descriptor), events as u32).multi(true).build().user_data(user_data)
}

impl Watch {
    /// Watches a socket that does not block; `may_be_readable` where it is worth a try before the first event.
    pub(super) fn new(reactor: Rc<Reactor>, socket: &impl AsRawFd, may_be_readable: bool) -> Self {
        let generation = reactor.generation.get().wrapping_add(1);
        reactor.generation.set(generation);
        let descriptor = socket.as_raw_fd();
        let source = Source {
            descriptor,
            generation,
            is_ready: [may_be_readable, false],
            is_ended: false,
            waiting: [None, None],
        };
        let key = reactor.sources.borrow_mut().insert(source);
        reactor.ask(poll(descriptor, user_data(key, generation)));
        Self { reactor, key }
    }

    /// Whether a side is worth a try.
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>, side: Side) -> Poll<()> {
        let mut sources = self.reactor.sources.borrow_mut();
        let Some(source) = sources.get_mut(self.key) else { return Poll::Ready(()) };
        if source.is_ready[side as usize] {
            return Poll::Ready(());
        }
        match &mut source.waiting[side as usize] {
            Some(waiting) => waiting.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// A side has been tried and would block, or has given all that was there.
    pub(super) fn not_ready(&self, side: Side) {
        if let Some(source) = self.reactor.sources.borrow_mut().get_mut(self.key) {
            source.is_ready[side as usize] = side == Side::Read && source.is_ended;
        }
    }

    /// A side is worth a try, whatever was said of it.
    pub(super) fn ready(&self, side: Side) {
        if let Some(source) = self.reactor.sources.borrow_mut().get_mut(self.key) {
            source.is_ready[side as usize] = true;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let source = self.reactor.sources.borrow_mut().try_remove(self.key);
        if let Some(source) = source {
            self.reactor.ask(removal(user_data(self.key, source.generation)));
        }
    }
}

fn removal(watched: u64) -> squeue::Entry {
    opcode::PollRemove::new(watched).build().user_data(watched | REMOVAL)
}

fn user_data(key: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | key as u64
}

impl Sleep {
    pub(super) fn new(reactor: Rc<Reactor>, deadline: Instant) -> Self {
        Self { reactor, deadline, id: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.reactor.clock.now() >= self.deadline {
            return Poll::Ready(());
        }
        let id = self.id.unwrap_or_else(|| self.reactor.timer_id.get() + 1);
        if self.id.is_none() {
            self.reactor.timer_id.set(id);
            self.id = Some(id);
        }
        self.reactor.timers.borrow_mut().insert((self.deadline, id), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.reactor.timers.borrow_mut().remove(&(self.deadline, id));
        }
    }
}
