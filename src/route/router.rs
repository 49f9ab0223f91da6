//! From the model's name to the account that serves it.

use crate::provider::Account;

/// The accounts of one configuration and the defaults of the mounts.
#[derive(Debug, Default)]
pub struct Routes {
    /// In the order of the file.
    accounts: Vec<Account>,
    /// Position of the account that serves a bare model under `/openai`.
    openai_default: Option<usize>,
    /// Position of the account that serves a bare model under `/v1`.
    v1_default: Option<usize>,
}

impl Routes {
    /// `default` serves bare models on every mount; without it openai does under `/openai`, and
    /// under `/v1` openai or, where it is not there, the first account.
    pub fn new(accounts: Vec<Account>, default: Option<&str>) -> Self {
        let position = |name: &str| accounts.iter().position(|account| account.name == name);
        let fixed = default.and_then(position);
        let openai = position("openai");
        let first = (!accounts.is_empty()).then_some(0);
        Self { openai_default: fixed.or(openai), v1_default: fixed.or(openai).or(first), accounts }
    }

    /// In the order of the file.
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }
}
