//! A shard takes room for what it leaves to the writer of the access log, and that gives it back.

use std::{collections::VecDeque, sync::Arc};

use loom::{sync::Mutex, thread};

use crate::{in_every_order, room::Room};

/// Of two kinds of lines, the larger fills it.
const SIZE: usize = 3;

#[test]
fn no_more_waits_than_there_is_room_for_and_all_of_it_comes_back() {
    in_every_order(|| {
        let room = Arc::new(Room::of(SIZE));
        let waiting = Arc::new(Mutex::new(VecDeque::new()));
        let writer = {
            let (room, waiting) = (room.clone(), waiting.clone());
            thread::spawn(move || (0..2).for_each(|_| write(&room, &waiting)))
        };
        for size in [2, 1, SIZE] {
            if room.take(size) {
                let mut waiting = waiting.lock().unwrap();
                waiting.push_back(size);
                assert!(waiting.iter().sum::<usize>() <= SIZE, "{waiting:?}");
            }
        }
        writer.join().unwrap();
        (0..3).for_each(|_| write(&room, &waiting));
        assert!(room.take(SIZE) && !room.take(1));
    });
}

/// Takes a line away, if there is one, before its room is given back.
fn write(room: &Room, waiting: &Mutex<VecDeque<usize>>) {
    let line = waiting.lock().unwrap().pop_front();
    line.into_iter().for_each(|size| room.give_back(size));
}
