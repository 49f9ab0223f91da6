//! What is tried for a request, one attempt after the other, and when to give up. Knows no connection and
//! no error: both are the caller's, kept and given back.

/// What is to be done next.
#[derive(Debug, Eq, PartialEq)]
pub enum Next<C, E> {
    /// Try on a connection that was kept.
    Reuse(C),
    /// Try on a new connection.
    Connect,
    /// Nothing more; this is why.
    GiveUp(E),
}

/// How an attempt failed.
#[derive(Debug, Eq, PartialEq)]
pub enum Failure<E> {
    /// Its connection was found closed.
    Closed(E),
    /// In a way that another attempt would not mend.
    Final(E),
}

/// The attempts of one request. `next` and `failed` take turns until one attempt succeeds or `next` gives up.
#[derive(Debug)]
pub struct Attempts<C, E> {
    kept: Option<C>,
    is_reused: bool,
    is_committed: bool,
    ended: Option<E>,
}

impl<C, E> Attempts<C, E> {
    /// Those of a request for which a connection was kept, or none.
    pub fn new(kept: Option<C>) -> Self {
        Self { kept, is_reused: false, is_committed: false, ended: None }
    }

    /// What is to be done next.
    #[expect(clippy::should_implement_trait, reason = "what comes next depends on how the last one failed")]
    pub fn next(&mut self) -> Next<C, E> {
        if let Some(error) = self.ended.take() {
            return Next::GiveUp(error);
        }
        let kept = self.kept.take();
        self.is_reused = kept.is_some();
        kept.map_or(Next::Connect, Next::Reuse)
    }

    /// Something has happened that cannot be repeated: a byte of a response has come, or a byte has gone that
    /// nobody holds any more.
    pub fn committed(&mut self) {
        self.is_committed = true;
    }

    /// The attempt under way has failed. A connection that was kept may have been closed before the request
    /// came to it: that is no answer of the provider's, and a new connection is tried instead.
    pub fn failed(&mut self, failure: Failure<E>) {
        match failure {
            Failure::Closed(_) if self.is_reused && !self.is_committed => {}
            Failure::Closed(error) | Failure::Final(error) => self.ended = Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_connection_found_closed_is_replaced_once() {
        let mut attempts = Attempts::new(Some("kept"));
        assert_eq!(attempts.next(), Next::Reuse("kept"));
        attempts.failed(Failure::Closed(1));
        assert_eq!(attempts.next(), Next::Connect);
        attempts.failed(Failure::Closed(2));
        assert_eq!(attempts.next(), Next::GiveUp(2));
    }

    #[test]
    fn a_new_connection_is_not_replaced() {
        let mut attempts = Attempts::new(None::<()>);
        assert_eq!(attempts.next(), Next::Connect);
        attempts.failed(Failure::Closed(1));
        assert_eq!(attempts.next(), Next::GiveUp(1));
    }

    #[test]
    fn nothing_follows_what_cannot_be_repeated() {
        let mut attempts = Attempts::new(Some(()));
        assert_eq!(attempts.next(), Next::Reuse(()));
        attempts.committed();
        attempts.failed(Failure::Closed(1));
        assert_eq!(attempts.next(), Next::GiveUp(1));
    }

    #[test]
    fn nothing_follows_a_failure_that_would_come_again() {
        let mut attempts = Attempts::new(Some(()));
        assert_eq!(attempts.next(), Next::Reuse(()));
        attempts.failed(Failure::Final(1));
        assert_eq!(attempts.next(), Next::GiveUp(1));
    }
}
