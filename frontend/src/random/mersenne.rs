//! MT19937 (Matsumoto and Nishimura, 1998), with the bookkeeping that torch's serialised state exposes.

const N: usize = 624;
const M: usize = 397;
const UPPER: u32 = 0x8000_0000;
const MATRIX: u32 = 0x9908_b0df;

#[derive(Clone, Debug)]
pub(super) struct Mersenne {
    seed: u64,
    /// Words that may be read before the next twist, plus one.
    left: u32,
    /// Index of the next word.
    next: u32,
    words: Box<[u32; N]>,
}

/// What [`Mersenne::from_parts`] needs to stand where another engine stood.
pub(super) struct Parts<'a> {
    pub seed: u64,
    pub left: u32,
    pub next: u32,
    pub words: &'a [u32; N],
}

impl Mersenne {
    pub const WORDS: usize = N;

    /// Only the low half of the seed reaches the state; the whole of it is remembered.
    pub fn new(seed: u64) -> Self {
        let mut words = Box::new([0; N]);
        let mut word = seed as u32;
        for (index, slot) in words.iter_mut().enumerate() {
            if index > 0 {
                word = (word ^ (word >> 30)).wrapping_mul(1_812_433_253).wrapping_add(index as u32);
            }
            *slot = word;
        }
        Self { seed, left: 1, next: 0, words }
    }

    /// `None` if the position would run off the words.
    pub fn from_parts(parts: Parts<'_>) -> Option<Self> {
        let Parts { seed, left, next, words } = parts;
        let valid = left >= 1 && left as usize <= N && (left + next) as usize <= N + 1;
        valid.then(|| Self { seed, left, next, words: Box::new(*words) })
    }

    pub fn parts(&self) -> Parts<'_> {
        Parts { seed: self.seed, left: self.left, next: self.next, words: &self.words }
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    #[inline]
    pub fn next(&mut self) -> u32 {
        self.left -= 1;
        if self.left == 0 {
            self.twist();
        }
        let word = self.words[self.next as usize];
        self.next += 1;
        temper(word)
    }

    /// The next words, all at once.
    pub fn fill(&mut self, mut out: &mut [u32]) {
        while !out.is_empty() {
            if self.left == 1 {
                self.twist();
                self.left += 1;
            }
            let count = out.len().min(self.left as usize - 1);
            let (now, later) = out.split_at_mut(count);
            let start = self.next as usize;
            for (slot, &word) in now.iter_mut().zip(&self.words[start..start + count]) {
                *slot = temper(word);
            }
            self.left -= count as u32;
            self.next += count as u32;
            out = later;
        }
    }

    fn twist(&mut self) {
        let w = &mut *self.words;
        let mix = |u: u32, v: u32| (((u & UPPER) | (v & !UPPER)) >> 1) ^ (v & 1).wrapping_neg() & MATRIX;
        for i in 0..N - M {
            w[i] = w[i + M] ^ mix(w[i], w[i + 1]);
        }
        for i in N - M..N - 1 {
            w[i] = w[i + M - N] ^ mix(w[i], w[i + 1]);
        }
        w[N - 1] = w[M - 1] ^ mix(w[N - 1], w[0]);
        self.left = N as u32;
        self.next = 0;
    }
}

#[inline(always)]
fn temper(mut y: u32) -> u32 {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^ (y >> 18)
}
