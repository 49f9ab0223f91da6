//! Credentials that do not last: what control has told this core of them.

use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Instant};

use super::{net::Net, timer::Timer};
use crate::{
    bus::{Minted, ToControl},
    config::limits::TOKEN_TIME_MAX,
    provider::{Grant, Token},
};

/// The tokens that this core has.
#[derive(Default)]
pub(super) struct Tokens {
    known: RefCell<HashMap<u64, Minted>>,
}

impl Tokens {
    /// A token that is good now. One that is about to end is asked for anew while the old one still serves.
    pub(super) async fn find<N: Net>(
        &self,
        grant: &Arc<Grant>,
        net: &N,
        timer: &Timer<N>,
        control: &flume::Sender<ToControl>,
    ) -> Result<Token, String> {
        if let Some(token) = grant.lasting() {
            return Ok(token);
        }
        let now = net.now();
        if let Some(known) = self.known.borrow().get(&grant.id).filter(|known| now < known.renew_at) {
            return Ok(known.token.clone());
        }
        let (reply, answer) = flume::bounded(1);
        let question = ToControl::Mint { grant: grant.clone(), reply };
        control.try_send(question).map_err(|_| "control is overloaded".to_owned())?;
        let minted = timer.limit(now + 2 * TOKEN_TIME_MAX, answer.recv_async()).await;
        let minted =
            minted.ok().and_then(Result::ok).unwrap_or_else(|| Err("control did not answer".to_owned()));
        match minted {
            Ok(minted) => {
                let token = minted.token.clone();
                self.known.borrow_mut().insert(grant.id, minted);
                Ok(token)
            }
            Err(why) => self.old(grant.id, now).ok_or(why),
        }
    }

    fn old(&self, id: u64, now: Instant) -> Option<Token> {
        self.known.borrow().get(&id).filter(|known| now < known.ends_at).map(|known| known.token.clone())
    }
}
