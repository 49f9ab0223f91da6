//! One world: a few shards of the shell, a control, providers and clients, all drawn from one seed.

pub(crate) mod ask;
pub(crate) mod book;
pub(crate) mod client;
pub(crate) mod climate;
pub(crate) mod control;
pub(crate) mod provider;
pub(crate) mod proxy;
pub(crate) mod script;
pub(crate) mod setting;
pub(crate) mod tunnel;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use bifrost::{
    bus::{self, AccessLevel},
    config::{
        self,
        limits::{CONTROL_MESSAGES_MAX, DRAIN_TIME_MAX},
    },
    shard,
};

use self::{
    book::Book,
    climate::Climate,
    setting::{Guest, Setting, dice},
};
use crate::{
    executor::{Executor, Owner, Step, Task},
    net::{Network, Shore},
    trace::Trace,
};

/// Steps of one world; one that takes more runs in circles.
const STEPS_MAX: u64 = 3_000_000;
/// Time of one world; one that takes longer waits for nothing.
const TIME_MAX: Duration = Duration::from_secs(1500);
/// A client that is gone is noticed within this.
const NOTICE_MAX: Duration = Duration::from_millis(50);
/// Tasks of a shard that has ended are dropped within this.
const LETTING_GO_MAX: Duration = Duration::from_millis(50);
/// Steps between two looks at all connections.
const CHECKED_EVERY: u64 = 16;

/// What all parts of a world share.
pub(crate) struct World {
    pub(crate) network: Rc<Network>,
    pub(crate) climate: Climate,
    pub(crate) book: Book,
    answered: RefCell<BTreeMap<u16, u64>>,
    clients_left: Cell<usize>,
    waiting_for_clients: RefCell<Option<Waker>>,
    draining_since: Cell<Option<Duration>>,
    shards_left: Cell<usize>,
    /// When the last shard ended.
    ended_at: Cell<Duration>,
}

/// How a world ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was wrong.
    pub(crate) failure: Option<String>,
    /// A hash of everything that happened.
    pub(crate) hash: u64,
    /// The last events.
    pub(crate) end: String,
    pub(crate) steps: u64,
    pub(crate) events: u64,
    pub(crate) requests: usize,
    pub(crate) answered: u64,
}

/// Runs the world of a seed to its end.
pub(crate) fn run(seed: u64, is_told: bool) -> Outcome {
    run_in(Setting::draw(seed), seed, is_told)
}

/// Runs a world to its end: the seed decides in which order things happen, and what the network does.
pub(crate) fn run_in(setting: Setting, seed: u64, is_told: bool) -> Outcome {
    let Setting { climate, guests } = setting;
    let executor = Executor::new(dice(seed, "order", 0));
    let trace = Rc::new(Trace::new(is_told));
    trace.event(Duration::ZERO, format_args!("seed {seed}: {climate:?}"));
    let network = Network::new(executor.clone(), trace.clone(), climate.weather, climate.troubles);
    let world = Rc::new(World {
        network,
        book: Book::default(),
        answered: RefCell::default(),
        clients_left: Cell::new(guests.len()),
        waiting_for_clients: RefCell::default(),
        draining_since: Cell::default(),
        shards_left: Cell::new(climate.shards),
        ended_at: Cell::default(),
        climate,
    });
    let tasks = begin(&world, guests);
    let turned = catch_unwind(AssertUnwindSafe(|| world.turn()));
    let steps = turned.unwrap_or_else(|_| {
        world.network.fail("something has panicked, see above");
        0
    });
    drop(tasks);
    let outcome = Outcome {
        failure: world.network.failure(),
        hash: trace.hash(),
        end: trace.end(),
        steps,
        events: trace.events(),
        requests: world.book.len(),
        answered: world.answered.borrow().values().sum(),
    };
    executor.clear();
    outcome
}

/// Starts everything.
fn begin(world: &Rc<World>, guests: Vec<Guest>) -> Vec<Task> {
    let executor = &world.network.executor;
    let mut tasks = Vec::new();
    let (snapshot, _) = match config::check(climate::CONFIG, &|_| None) {
        Ok(checked) => checked,
        Err(rejected) => panic!("{rejected}"),
    };
    let snapshot = Arc::new(snapshot);
    let (links, inboxes) = bus::links(world.climate.shards, AccessLevel::All);
    let (to_control, messages) = flume::bounded(CONTROL_MESSAGES_MAX);
    for (number, inbox) in inboxes.into_iter().enumerate() {
        let start = shard::Start {
            number,
            sockets: vec![number as u16],
            admin_sockets: Vec::new(),
            snapshot: snapshot.clone(),
            links: links.clone(),
            inbox,
            control: to_control.clone(),
            access: links[number].access.clone(),
            seed: world.roll(|rng| rng.u64(..)),
        };
        let (world, shore) = (world.clone(), Shore(world.network.clone()));
        tasks.push(executor.spawn(Owner::Shell, async move {
            if let Err(error) = shard::run(shore, start).await {
                world.network.fail(format!("shard {number} failed: {error}"));
            }
            world.network.tell(format_args!("shard {number} has ended"));
            world.shards_left.set(world.shards_left.get() - 1);
            world.ended_at.set(world.network.executor.elapsed());
        }));
    }
    drop(to_control);
    tasks.push(executor.spawn(Owner::World, control::serve(world.clone(), links.clone(), messages)));
    tasks.push(executor.spawn(Owner::World, control::stop(world.clone(), links)));
    for host in [1, 2] {
        let address = SocketAddr::new(Ipv4Addr::new(10, 0, 0, host).into(), 8000);
        world.network.listen_upstream(address);
        tasks.push(executor.spawn(Owner::World, provider::serve(world.clone(), address)));
    }
    for (host, port, kind) in [(3, 3128, proxy::Kind::Http), (4, 1080, proxy::Kind::Socks)] {
        let address = SocketAddr::new(Ipv4Addr::new(10, 0, 0, host).into(), port);
        world.network.listen_upstream(address);
        tasks.push(executor.spawn(Owner::World, proxy::serve(world.clone(), address, kind)));
    }
    for guest in guests {
        let world = world.clone();
        tasks.push(executor.spawn(Owner::World, async move {
            world.sleep(guest.after).await;
            client::visit(world.clone(), guest).await;
            world.client_is_gone();
        }));
    }
    tasks
}

impl World {
    /// Steps until everything has ended or something is wrong; the number of steps.
    fn turn(&self) -> u64 {
        let executor = &self.network.executor;
        for step in 0..STEPS_MAX {
            let is_over = self.shards_left.get() == 0 && self.clients_left.get() == 0;
            if self.network.failure().is_some() {
                return step;
            }
            if is_over && executor.tasks(Owner::Shell) == 0 {
                self.check_end();
                return step;
            }
            if executor.step() == Step::Stuck {
                self.network.fail("nothing can ever happen again, and not all have ended");
            }
            if executor.elapsed() > TIME_MAX {
                self.network.fail("the world does not come to its end");
            }
            self.check_drain();
            if step % CHECKED_EVERY == 0 {
                self.network.check_thrown_away();
                self.check_notice();
            }
        }
        self.network.fail("the world runs in circles");
        STEPS_MAX
    }

    /// A client that is gone is noticed, and the provider is told so.
    fn check_notice(&self) {
        let connections = self.network.connections();
        for upstream in connections.iter().filter(|one| one.is_upstream && !one.end.is_closed()) {
            let client = upstream.busy_with.get().and_then(|id| self.book.client(id));
            let Some(client) = client.and_then(|number| connections.get(number)) else { continue };
            let Some(since) = client.end.hung_up_since() else { continue };
            if self.network.executor.elapsed() > since + NOTICE_MAX {
                let (client, upstream) = (client.number, upstream.number);
                self.network
                    .fail(format!("#{client} is gone since {since:?}, and #{upstream} still works for it"));
            }
        }
    }

    /// A shard stops in time, whatever is under way.
    fn check_drain(&self) {
        let Some(since) = self.draining_since.get() else { return };
        let is_left = self.shards_left.get() == 0 && self.network.executor.tasks(Owner::Shell) > 0;
        if is_left && self.network.executor.elapsed() > self.ended_at.get() + LETTING_GO_MAX {
            self.network.fail("the shards have ended, and tasks of theirs are left");
        }
        let is_late = self.network.executor.elapsed() > since + DRAIN_TIME_MAX + Duration::from_secs(2);
        if is_late && self.shards_left.get() > 0 {
            self.network.fail("a shard does not stop");
        }
    }

    /// After the end nothing is left.
    fn check_end(&self) {
        for is_upstream in [false, true] {
            let open = self.network.open(is_upstream);
            if open > 0 {
                self.network.fail(format!("{open} connections are left open (upstream: {is_upstream})"));
            }
        }
        let handed_over = self.network.handed_over();
        if handed_over > 0 {
            self.network.fail(format!("{handed_over} connections are still on their way"));
        }
    }

    pub(crate) fn roll<T>(&self, roll: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        self.network.executor.chance(roll)
    }

    pub(crate) fn one_in(&self, count: u32) -> bool {
        count > 0 && self.roll(|rng| rng.u32(..count) == 0)
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        self.network.executor.sleep(time).await;
    }

    /// Answers that clients have seen, by status.
    pub(crate) fn answers(&self) -> BTreeMap<u16, u64> {
        self.answered.borrow().clone()
    }

    /// A client has seen an answer with that status.
    pub(crate) fn answered(&self, status: u16) {
        *self.answered.borrow_mut().entry(status).or_default() += 1;
    }

    pub(crate) fn begin_drain(&self) {
        self.network.tell(format_args!("the shards are told to stop"));
        self.draining_since.set(Some(self.network.executor.elapsed()));
    }

    /// Whether the shards have been told to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining_since.get().is_some()
    }

    /// Whether the shards wait no longer for what is under way.
    pub(crate) fn is_stopped(&self) -> bool {
        self.draining_since
            .get()
            .is_some_and(|since| self.network.executor.elapsed() >= since + DRAIN_TIME_MAX)
    }

    fn client_is_gone(&self) {
        self.clients_left.set(self.clients_left.get() - 1);
        self.waiting_for_clients.take().into_iter().for_each(Waker::wake);
    }

    async fn until_clients_are_gone(&self) {
        poll_fn(|cx| {
            if self.clients_left.get() == 0 {
                return Poll::Ready(());
            }
            self.waiting_for_clients.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
