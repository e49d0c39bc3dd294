//! The order in which what was claimed for several roles is begun.

use std::collections::HashMap;

/// One item of each role after the other, so that no role's steps all begin before another's. Items
/// of one role keep their order.
pub fn by_turns<T>(items: &[T], role: impl Fn(&T) -> u32) -> Vec<&T> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    let mut turns = Vec::with_capacity(items.len());
    for item in items {
        let count = counts.entry(role(item)).or_default();
        turns.push((*count, item));
        *count += 1;
    }
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::by_turns;

    #[test]
    fn a_role_with_little_is_not_behind_all_of_a_role_with_much() {
        let claimed = [(1, 'a'), (1, 'b'), (1, 'c'), (2, 'd'), (3, 'e'), (3, 'f')];
        let order: String = by_turns(&claimed, |(role, _)| *role)
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(order, "adebfc");
    }
}
