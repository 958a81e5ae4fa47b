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

/// One line of the script: the words of the call, and the fields after it.
struct Line<'a> {
    text: &'a str,
    words: Vec<&'a str>,
    fields: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn parse(text: &'a str) -> Self {
        let mut fields = text.split(" :").map(str::trim);
        let words = fields.next().unwrap_or_default().split_whitespace().collect();
        Self { text, words, fields: fields.collect() }
    }

    fn hash(&self) -> u64 {
        hexadecimal(self.fields[0])
    }

    fn argument<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, index: usize) -> T {
        self.words[index].parse().unwrap()
    }

    fn length(&self) -> usize {
        self.argument(2)
    }

    fn compare<T: Bits>(&self, out: &[T]) {
        let call = self.words.join(" ");
        let theirs = self.fields[1].split_whitespace().map(hexadecimal);
        let ours = sampled(out.len()).into_iter().map(|index| out[index].bits());
        let differing: Vec<_> = ours.zip(theirs).enumerate().filter(|(_, (a, b))| a != b).collect();
        assert!(differing.is_empty(), "{call}: (sample, (ours, torch's)): {differing:x?}");
        let bytes = out.iter().flat_map(|value| value.bits().to_le_bytes().into_iter().take(T::WIDTH));
        assert_eq!(fnv(bytes), self.hash(), "{call}");
    }
}

fn hexadecimal(word: &str) -> u64 {
    u64::from_str_radix(word, 16).unwrap()
}

fn weights<T: Element>(length: usize) -> Vec<T> {
    (0..length).map(|i| T::from_f64((i * 7 % 5 + i % 3) as f64 / 8.0)).collect()
}

fn probabilities<T: Element>(length: usize) -> Vec<T> {
    (0..length).map(|i| T::from_f64((i % 9) as f64 / 8.0)).collect()
}

type Outcome<T> = Result<Vec<T>, RandomError>;

fn replay_any<T: Bits>(generator: &mut Generator, line: &Line<'_>) -> Outcome<T> {
    let mut out = vec![T::default(); line.length()];
    match line.words[3] {
        "random" if line.words.len() == 4 => generator.fill_random(&mut out),
        "random" => generator.fill_random_range(&mut out, line.argument(4), Some(line.argument(5)))?,
        "random_from" => generator.fill_random_range(&mut out, line.argument(4), None)?,
        "bernoulli" => generator.fill_bernoulli(&mut out, line.argument(4))?,
        "bernoulli_of" => {
            generator.fill_bernoulli_with(&mut out, &vec![line.argument::<f32>(4); line.length()])?
        }
        "bernoulli_with" => match line.words[4] {
            "f32" => generator.fill_bernoulli_with(&mut out, &probabilities::<f32>(line.length()))?,
            "f64" => generator.fill_bernoulli_with(&mut out, &probabilities::<f64>(line.length()))?,
            "f16" => generator.fill_bernoulli_with(&mut out, &probabilities::<f16>(line.length()))?,
            "bf16" => generator.fill_bernoulli_with(&mut out, &probabilities::<bf16>(line.length()))?,
            other => panic!("no such dtype: {other}"),
        },
        "geometric" => generator.fill_geometric(&mut out, line.argument(4))?,
        "randperm" => generator.fill_permutation(&mut out)?,
        other => panic!("no such call: {other}"),
    }
    Ok(out)
}

fn replay_real<T: Bits + NormalBlocks>(generator: &mut Generator, line: &Line<'_>) -> Outcome<T> {
    let mut out = vec![T::default(); line.length()];
    let first = || line.argument(4);
    let second = || line.argument(5);
    match line.words[3] {
        "uniform" => generator.fill_uniform(&mut out, first(), second())?,
        "normal" => generator.fill_normal(&mut out, first(), second())?,
        "normal_strided" => generator.fill_normal_strided(&mut out, first(), second())?,
        "log_normal" => generator.fill_log_normal(&mut out, first(), second())?,
        "exponential" => generator.fill_exponential(&mut out, first())?,
        "cauchy" => generator.fill_cauchy(&mut out, first(), second())?,
        _ => return replay_any::<T>(generator, line),
    }
    Ok(out)
}

/// `None` if the call is another.
fn replay_multinomial<T: Real>(generator: &mut Generator, line: &Line<'_>) -> Option<Outcome<i64>> {
    let (weights, samples, replacement) = match line.words[3] {
        "multinomial" => {
            (weights::<T>(line.length()).repeat(line.argument(4)), line.argument(5), line.words[6] == "1")
        }
        "multinomial_of" => {
            let weights =
                line.words[4].split(',').map(|weight| T::from_f64(weight.parse().unwrap())).collect();
            (weights, line.argument(5), line.words[6] == "1")
        }
        _ => return None,
    };
    let draw = Draw { weights: &weights, columns: line.length(), samples, replacement };
    Some(generator.multinomial(draw))
}

/// Runs a call and hands what came of it to the test: a line is either a `call` or a `refuse`.
fn replay(generator: &mut Generator, line: &Line<'_>) {
    fn check<T: Bits>(line: &Line<'_>, outcome: Outcome<T>) {
        match (line.words[0], outcome) {
            ("call", Ok(out)) => line.compare(&out),
            ("refuse", Err(error)) => assert_eq!(error.to_string(), line.fields[0], "{}", line.text),
            (_, Ok(_)) => panic!("accepted: {}", line.text),
            (_, Err(error)) => panic!("{error}: {}", line.text),
        }
    }
    fn real<T: Bits + NormalBlocks>(generator: &mut Generator, line: &Line<'_>) {
        match replay_multinomial::<T>(generator, line) {
            Some(outcome) => check(line, outcome),
            None => check(line, replay_real::<T>(generator, line)),
        }
    }
    match line.words[1] {
        "bool" => check(line, replay_any::<bool>(generator, line)),
        "u8" => check(line, replay_any::<u8>(generator, line)),
        "i8" => check(line, replay_any::<i8>(generator, line)),
        "i16" => check(line, replay_any::<i16>(generator, line)),
        "i32" => check(line, replay_any::<i32>(generator, line)),
        "i64" => check(line, replay_any::<i64>(generator, line)),
        "f16" => real::<f16>(generator, line),
        "bf16" => real::<bf16>(generator, line),
        "f32" => real::<f32>(generator, line),
        "f64" => real::<f64>(generator, line),
        other => panic!("no such dtype: {other}"),
    }
}

fn lines(kind: &str) -> impl Iterator<Item = Line<'static>> {
    SCRIPT.lines().map(Line::parse).filter(move |line| line.words[0] == kind)
}

#[test]
fn every_call_gives_what_torch_gives() {
    let mut generator = Generator::new();
    let mut calls = 0;
    for line in SCRIPT.lines().map(Line::parse) {
        match *line.words {
            ["seed", seed] => generator.manual_seed(seed.parse().unwrap()),
            ["state"] => assert_eq!(fnv(generator.state()), line.hash(), "state after call {calls}"),
            ["call" | "refuse", ..] => replay(&mut generator, &line),
            ["warn" | "order", ..] => {}
            _ => panic!("not a line: {}", line.text),
        }
        calls += 1;
    }
    assert!(calls > 1000, "{calls}");
}

#[test]
fn a_state_carries_on_where_it_was_taken() {
    let mut generator = Generator::new();
    for line in SCRIPT.lines().map(Line::parse) {
        match *line.words {
            ["seed", seed] => generator.manual_seed(seed.parse().unwrap()),
            ["state"] => assert_eq!(fnv(generator.state()), line.hash()),
            ["call" | "refuse", ..] => {
                let mut heir = Generator::with_seed(99);
                heir.set_state(&generator.state()).unwrap();
                assert_eq!(heir.initial_seed(), generator.initial_seed());
                generator = heir;
                replay(&mut generator, &line);
            }
            _ => {}
        }
    }
}

#[test]
fn a_bad_state_is_refused_and_changes_nothing() {
    let mut generator = Generator::with_seed(5);
    generator.fill_normal(&mut [0f32; 3], 0.0, 1.0).unwrap();
    let good = generator.state();
    let mut refuse = |at: usize, value: u32, message: &str| {
        let mut bad = good.clone();
        bad[at..at + 4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(generator.set_state(&bad).unwrap_err().to_string(), message);
        assert_eq!(generator.state(), good);
    };
    for (at, value) in [(8, 0), (8, 625), (8, u32::MAX), (12, 0), (16, 625), (16, u32::MAX), (16, 624)] {
        refuse(at, value, "Invalid mt19937 state");
    }
    let error = generator.set_state(&good[1..]).unwrap_err();
    let message =
        "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be 5055";
    assert_eq!(error.to_string(), message);
}

#[test]
fn the_single_precision_spare_survives() {
    let mut state = Generator::new().state();
    state[5048..5052].copy_from_slice(&1.5f32.to_le_bytes());
    state[5052] = 1;
    let mut generator = Generator::new();
    generator.set_state(&state).unwrap();
    assert_eq!(generator.state(), state);
    generator.manual_seed(DEFAULT_SEED);
    assert_eq!(generator.state(), Generator::new().state());
}

#[test]
fn imprecise_bounds_warn_in_torch_s_words() {
    for line in lines("warn") {
        let (from, to) = (line.argument(2), Some(line.argument(3)));
        let warnings = match line.words[1] {
            "f16" => precision_warnings::<f16>(from, to),
            "bf16" => precision_warnings::<bf16>(from, to),
            "f32" => precision_warnings::<f32>(from, to),
            "f64" => precision_warnings::<f64>(from, to),
            "i64" => precision_warnings::<i64>(from, to),
            other => panic!("no such dtype: {other}"),
        };
        assert_eq!(warnings, line.fields, "{}", line.text);
    }
}

#[test]
fn strided_fills_go_in_torch_s_order() {
    let numbers =
        |word: &str| word.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect();
    for line in lines("order") {
        let sizes: Vec<usize> = line.words.get(1).copied().map_or_else(Vec::new, numbers);
        let strides: Vec<usize> = line.words.get(2).copied().map_or_else(Vec::new, numbers);
        let signed: Vec<isize> = strides.iter().map(|&stride| stride as isize).collect();
        let mut offsets = vec![0];
        for axis in memory_order(&sizes, &signed) {
            let step =
                |offset: &usize| (0..sizes[axis]).map(|i| offset + i * strides[axis]).collect::<Vec<_>>();
            offsets = offsets.iter().flat_map(step).collect();
        }
        let theirs: Vec<usize> = line.fields[0].split(' ').map(|n| n.parse().unwrap()).collect();
        assert_eq!(offsets, theirs, "{}", line.text);
    }
}

#[test]
fn seeds() {
    assert_eq!(Generator::new().initial_seed(), 67_280_421_310_721);
    let mut generator = Generator::new();
    let seed = generator.seed();
    assert!(seed < 1 << 53 && seed != generator.seed());
    generator.manual_seed(u64::MAX);
    assert_eq!(generator.initial_seed(), u64::MAX);
}

#[test]
fn philox_keys_follow_the_seed_and_never_repeat() {
    let keys = |seed| {
        let mut generator = Generator::with_seed(seed);
        std::array::from_fn::<_, 1000, _>(|_| generator.philox_key())
    };
    assert_eq!(keys(1), keys(1));
    let distinct: std::collections::HashSet<_> =
        keys(1).into_iter().chain(keys(2)).map(|k| (k.key, k.offset)).collect();
    assert_eq!(distinct.len(), 2000);
    let mut generator = Generator::with_seed(1);
    generator.philox_key();
    let mut words = Generator::with_seed(1);
    words.next_u64();
    words.next_u64();
    assert_eq!(generator.state(), words.state());
}

#[test]
fn the_default_generator_is_one() {
    default_generator().manual_seed(11);
    let first = default_generator().next_u32();
    assert_eq!(first, Generator::with_seed(11).next_u32());
    let second = std::thread::spawn(|| default_generator().next_u32()).join().unwrap();
    let mut expected = Generator::with_seed(11);
    assert_eq!([first, second], [expected.next_u32(), expected.next_u32()]);
}
