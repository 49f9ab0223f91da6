//! The book of one world: what was asked, what shall be done about it, and what has been done.

use std::{cell::RefCell, collections::BTreeMap};

use super::{ask::Ask, provider::Told, script::Script};

/// All requests of a world by their ids.
#[derive(Default)]
pub(crate) struct Book(RefCell<BTreeMap<u64, Case>>);

struct Case {
    ask: Ask,
    script: Script,
    /// Number of the connection it is asked on.
    client: usize,
    attempts: Vec<Told>,
    is_tunnel_broken: bool,
}

impl Book {
    /// Writes a request down before it is sent.
    pub(crate) fn add(&self, ask: Ask, script: Script, client: usize) {
        self.0
            .borrow_mut()
            .insert(ask.id, Case { ask, script, client, attempts: Vec::new(), is_tunnel_broken: false });
    }

    /// Number of the connection that a request was sent on.
    pub(crate) fn client(&self, id: u64) -> Option<usize> {
        self.0.borrow().get(&id).map(|case| case.client)
    }

    pub(crate) fn case(&self, id: u64) -> Option<(Ask, Script)> {
        self.0.borrow().get(&id).map(|case| (case.ask.clone(), case.script.clone()))
    }

    /// Requests so far.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// A request has reached a provider; once more only where nothing of an answer can have come before.
    pub(crate) fn begin_attempt(&self, ask: &Ask, told: Told) -> Result<(), String> {
        let mut cases = self.0.borrow_mut();
        let Some(case) = cases.get_mut(&ask.id) else { return Err(format!("nobody asked {}", ask.id)) };
        let before = case.attempts.last().map(|told| told.was_reused && told.wire.is_empty());
        let is_allowed = before.unwrap_or(true) && case.attempts.len() < 2;
        case.attempts.push(told);
        if is_allowed { Ok(()) } else { Err(format!("{} was tried again and must not be", ask.id)) }
    }

    /// Notes something about the attempt under way.
    pub(crate) fn attempt(&self, id: u64, note: impl FnOnce(&mut Told)) {
        if let Some(told) = self.0.borrow_mut().get_mut(&id).and_then(|case| case.attempts.last_mut()) {
            note(told);
        }
    }

    /// The provider closes in an orderly way.
    pub(crate) fn end_attempt(&self, id: u64) {
        self.attempt(id, |told| told.is_ended = true);
    }

    /// One side of a tunnel breaks it off.
    pub(crate) fn break_tunnel(&self, id: u64) {
        if let Some(case) = self.0.borrow_mut().get_mut(&id) {
            case.is_tunnel_broken = true;
        }
    }

    /// Whether somebody has broken a tunnel off.
    pub(crate) fn is_tunnel_broken(&self, id: u64) -> bool {
        self.0.borrow().get(&id).is_some_and(|case| case.is_tunnel_broken)
    }

    /// What the provider wrote at last, and whether it then closed in an orderly way.
    pub(crate) fn said(&self, id: u64) -> Option<(Vec<u8>, bool)> {
        let cases = self.0.borrow();
        let told = cases.get(&id)?.attempts.last()?;
        Some((told.wire.clone(), told.is_ended))
    }
}
