//! Shards that hand connections to another one, which counts its own at the same time.

use std::sync::Arc;

use loom::{sync::Mutex, thread};

use crate::{in_every_order, load::Load};

#[test]
fn each_of_two_connections_is_counted_from_when_it_is_handed_over() {
    in_every_order(|| {
        let shard = Arc::new(Shard::new(2));
        let handing = shard.clone();
        let other = thread::spawn(move || handing.hand_over());
        assert!(shard.hand_over());
        assert!(other.join().unwrap());
        assert_eq!(shard.load.get(), 2);
        assert_eq!(shard.adopt(0), 2);
        assert_eq!(shard.load.get(), 2);
    });
}

#[test]
fn a_load_is_true_once_all_is_done_where_there_is_room_for_one() {
    in_every_order(|| is_true_once_all_is_done(1));
}

#[test]
fn a_load_is_true_once_all_is_done_where_there_is_no_room() {
    in_every_order(|| is_true_once_all_is_done(0));
}

#[test]
fn a_load_is_never_less_than_nothing() {
    in_every_order(|| {
        let shard = Arc::new(Shard::new(1));
        let (handing, looking) = (shard.clone(), shard.clone());
        thread::spawn(move || handing.hand_over());
        // In between it may count a connection as served and as on its way.
        thread::spawn(move || assert!(looking.load.get() <= 3));
        shard.load.publish(1);
        let served = shard.adopt(1);
        shard.load.publish(served - 1);
    });
}

/// Two shards hand over a connection each, while one of a third shard ends.
fn is_true_once_all_is_done(room: usize) {
    let shard = Arc::new(Shard::new(room));
    let others = [(); 2].map(|()| {
        let shard = shard.clone();
        thread::spawn(move || shard.hand_over())
    });
    shard.load.publish(1);
    let served = shard.adopt(1) - 1;
    shard.load.publish(served);
    let handed = others.map(|other| usize::from(other.join().unwrap()));
    let served = shard.adopt(served);
    assert_eq!(served, handed.iter().sum());
    assert_eq!(shard.load.get(), served);
}

/// A shard whose inbox holds connections only, and not many.
struct Shard {
    load: Load,
    inbox: Mutex<usize>,
    room: usize,
}

impl Shard {
    fn new(room: usize) -> Self {
        Self { load: Load::default(), inbox: Mutex::new(0), room }
    }

    /// Whether there was room.
    fn hand_over(&self) -> bool {
        let send = || {
            let mut inbox = self.inbox.lock().unwrap();
            let is_sent = *inbox < self.room;
            *inbox += usize::from(is_sent);
            is_sent.then_some(()).ok_or(())
        };
        self.load.hand_over(send).is_ok()
    }

    /// Serves what has been handed over, besides so many; how many it serves then.
    fn adopt(&self, mut served: usize) -> usize {
        let arrived = std::mem::take(&mut *self.inbox.lock().unwrap());
        for _ in 0..arrived {
            served += 1;
            self.load.publish(served);
            self.load.arrived();
        }
        served
    }
}
