use half::{bf16, f16};

use super::*;

/// The calls of `tests/data/make_random.py` and torch's answers to them.
const SCRIPT: &str = include_str!("../../tests/data/random.txt");

trait Bits: Element {
    const WIDTH: usize;

    fn bits(self) -> u64;
}

macro_rules! bits {
    ($($type:ty, $width:literal, $bits:expr;)*) => {$(
        impl Bits for $type {
            const WIDTH: usize = $width;

            fn bits(self) -> u64 {
                ($bits)(self)
            }
        }
    )*};
}

bits! {
    bool, 1, u64::from;
    u8, 1, u64::from;
    i8, 1, |v| v as u8 as u64;
    i16, 2, |v| v as u16 as u64;
    i32, 4, |v| v as u32 as u64;
    i64, 8, |v| v as u64;
    f16, 2, |v: f16| v.to_bits().into();
    bf16, 2, |v: bf16| v.to_bits().into();
    f32, 4, |v: f32| v.to_bits().into();
    f64, 8, f64::to_bits;
}

fn fnv(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn sampled(length: usize) -> Vec<usize> {
    (0..length).filter(|&i| length <= 17 || i < 8 || i % 97 == 0 || i + 17 >= length).collect()
}

/// One line of the script, split at blanks.
struct Line<'a> {
    text: &'a str,
    words: Vec<&'a str>,
    hash: u64,
    shown: Vec<u64>,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(" : ");
        let words = parts.next().unwrap_or_default().split_whitespace().collect();
        let hex = |word: &str| u64::from_str_radix(word, 16).unwrap();
        let hash = parts.next().map_or(0, |hash| hex(hash.trim_end_matches(" :")));
        let shown = parts.next().unwrap_or_default().split_whitespace().map(hex).collect();
        Self { text, words, hash, shown }
    }

    fn argument<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, index: usize) -> T {
        self.words[index].parse().unwrap()
    }

    fn length(&self) -> usize {
        self.argument(2)
    }

    fn compare<T: Bits>(&self, out: &[T]) {
        let found: Vec<u64> = sampled(out.len()).into_iter().map(|i| out[i].bits()).collect();
        let differing: Vec<_> = found
            .iter()
            .zip(&self.shown)
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(i, p)| (i, *p.0, *p.1))
            .collect();
        assert!(
            differing.is_empty(),
            "{}\n (sample, ours, torch's): {differing:x?}",
            &self.text[..60.min(self.text.len())]
        );
        let bytes = out.iter().flat_map(|value| value.bits().to_le_bytes().into_iter().take(T::WIDTH));
        assert_eq!(fnv(bytes), self.hash, "{}", &self.text[..60.min(self.text.len())]);
    }
}

fn weights<T: Element>(length: usize) -> Vec<T> {
    (0..length).map(|i| T::from_f64((i * 7 % 5 + i % 3) as f64 / 8.0)).collect()
}

fn probabilities<T: Element>(length: usize) -> Vec<T> {
    (0..length).map(|i| T::from_f64((i % 9) as f64 / 8.0)).collect()
}

fn replay_any<T: Bits>(generator: &mut Generator, line: &Line<'_>) {
    let mut out = vec![T::default(); line.length()];
    match line.words[3] {
        "random" if line.words.len() == 4 => generator.fill_random(&mut out),
        "random" => generator.fill_random_range(&mut out, line.argument(4), Some(line.argument(5))).unwrap(),
        "random_from" => generator.fill_random_range(&mut out, line.argument(4), None).unwrap(),
        "bernoulli" => generator.fill_bernoulli(&mut out, line.argument(4)).unwrap(),
        "bernoulli_with" => match line.words[4] {
            "f32" => generator.fill_bernoulli_with(&mut out, &probabilities::<f32>(line.length())).unwrap(),
            "f64" => generator.fill_bernoulli_with(&mut out, &probabilities::<f64>(line.length())).unwrap(),
            "f16" => generator.fill_bernoulli_with(&mut out, &probabilities::<f16>(line.length())).unwrap(),
            "bf16" => generator.fill_bernoulli_with(&mut out, &probabilities::<bf16>(line.length())).unwrap(),
            other => panic!("no such dtype: {other}"),
        },
        "geometric" => generator.fill_geometric(&mut out, line.argument(4)).unwrap(),
        "randperm" => generator.fill_permutation(&mut out).unwrap(),
        other => panic!("no such call: {other}"),
    }
    line.compare(&out);
}

fn replay_real<T: Bits + NormalBlocks>(generator: &mut Generator, line: &Line<'_>) {
    let mut out = vec![T::default(); line.length()];
    let first = || line.argument(4);
    let second = || line.argument(5);
    match line.words[3] {
        "uniform" => generator.fill_uniform(&mut out, first(), second()).unwrap(),
        "normal" => generator.fill_normal(&mut out, first(), second()).unwrap(),
        "normal_strided" => generator.fill_normal_strided(&mut out, first(), second()).unwrap(),
        "log_normal" => generator.fill_log_normal(&mut out, first(), second()).unwrap(),
        "exponential" => generator.fill_exponential(&mut out, first()).unwrap(),
        "cauchy" => generator.fill_cauchy(&mut out, first(), second()).unwrap(),
        "multinomial" => {
            let weights = weights::<T>(line.length()).repeat(line.argument(4));
            let replacement = line.words[6] == "1";
            let draw =
                Draw { weights: &weights, columns: line.length(), samples: line.argument(5), replacement };
            return line.compare(&generator.multinomial(draw).unwrap());
        }
        _ => return replay_any::<T>(generator, line),
    }
    line.compare(&out);
}

#[test]
fn every_call_gives_what_torch_gives() {
    let mut generator = Generator::new();
    let mut calls = 0;
    for line in SCRIPT.lines().map(Line::parse) {
        match *line.words {
            ["seed", seed] => generator.manual_seed(seed.parse().unwrap()),
            ["state"] => assert_eq!(fnv(generator.state()), line.hash, "state before call {calls}"),
            ["call", dtype, ..] => {
                calls += 1;
                match dtype {
                    "bool" => replay_any::<bool>(&mut generator, &line),
                    "u8" => replay_any::<u8>(&mut generator, &line),
                    "i8" => replay_any::<i8>(&mut generator, &line),
                    "i16" => replay_any::<i16>(&mut generator, &line),
                    "i32" => replay_any::<i32>(&mut generator, &line),
                    "i64" => replay_any::<i64>(&mut generator, &line),
                    "f16" => replay_real::<f16>(&mut generator, &line),
                    "bf16" => replay_real::<bf16>(&mut generator, &line),
                    "f32" => replay_real::<f32>(&mut generator, &line),
                    "f64" => replay_real::<f64>(&mut generator, &line),
                    other => panic!("no such dtype: {other}"),
                }
            }
            _ => panic!("not a line: {}", line.text),
        }
    }
    assert!(calls > 900, "{calls}");
}
