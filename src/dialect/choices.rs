//! What is known of each of an answer's choices while it comes.

/// Choices that are told apart; those beyond share the last place (OpenAI allows 128).
const CHOICES_MAX: usize = 128;

/// What is known of a choice; nothing yet, where it is the first time.
pub(super) fn state<T: Default>(choices: &mut Vec<T>, choice: usize) -> &mut T {
    let position = choice.min(CHOICES_MAX - 1);
    if position >= choices.len() {
        choices.resize_with(position + 1, T::default);
    }
    &mut choices[position]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_beyond_all_bounds_share_a_place() {
        let mut choices = Vec::new();
        *state(&mut choices, 1) = 7;
        *state(&mut choices, usize::MAX) += 1;
        *state(&mut choices, CHOICES_MAX) += 1;
        assert_eq!((choices[1], choices.len(), choices.last()), (7, CHOICES_MAX, Some(&2)));
    }
}
