//! Where temporaries lie in the arena: first fit by lifetime, largest first.

/// A buffer that lives from the step that first touches it to the last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    pub bytes: usize,
    pub first: usize,
    pub last: usize,
}

const ALIGN: usize = 64;

/// An offset for each buffer, such that buffers that live at the same time do not overlap, and the size
/// of the arena.
pub fn place(lifetimes: &[Lifetime]) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..lifetimes.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(lifetimes[i].bytes));
    let mut offsets = vec![0; lifetimes.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut arena = 0;
    for i in order {
        let l = lifetimes[i];
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&j| lifetimes[j].first <= l.last && l.first <= lifetimes[j].last)
            .map(|&j| (offsets[j], offsets[j] + lifetimes[j].bytes))
            .collect();
        taken.sort_unstable();
        let mut at = 0;
        for (begin, end) in taken {
            if at + l.bytes <= begin {
                break;
            }
            at = at.max(end.next_multiple_of(ALIGN));
        }
        offsets[i] = at;
        arena = arena.max((at + l.bytes).next_multiple_of(ALIGN));
        placed.push(i);
    }
    (offsets, arena)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lives_together_is_kept_apart() {
        let l = |bytes, first, last| Lifetime { bytes, first, last };
        let (offsets, arena) = place(&[l(100, 0, 1), l(100, 1, 2), l(100, 2, 3), l(0, 0, 3)]);
        assert_ne!(offsets[0], offsets[1]);
        assert_eq!(offsets[0], offsets[2]);
        assert_eq!(arena, 256);
    }
}
