//! Random graphs through the whole compiler. `RUSTORCH_FUZZ_SECONDS` says for how long (20 by default),
//! `RUSTORCH_FUZZ_SEED` where to start; a failure prints its seed and the smallest case that still fails.

use rustorch_ir::op::{Op, Scalar};
use rustorch_tests::fuzz::Case;
use rustorch_tests::fuzz::check::{Seen, check};
use rustorch_tests::fuzz::generate::{Options, case};
use rustorch_tests::fuzz::gradient::check_gradient;
use rustorch_tests::fuzz::shrink::shrink;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |s| s.parse().unwrap_or_else(|_| panic!("{name}={s} is no number")))
}

fn examine(seed: u64, case: &Case, total: &mut Seen) {
    match check(case) {
        Ok(seen) => {
            total.compared += seen.compared;
            total.exactly += seen.exactly;
            total.plans += seen.plans;
            total.failed += seen.failed;
        }
        Err(why) => {
            let small = shrink(case, &|c| check(c).is_err(), 2000);
            let now = check(&small).err().unwrap_or_default();
            panic!("seed {seed}: {why}\nshrunk: {now}\n{small}");
        }
    }
}

/// A primitive feeds another, unless no type lets it.
fn possible(first: &str, second: &str) -> bool {
    let leaf = ["Input", "Constant", "Iota"].contains(&second);
    // A constant is 0-d: it has no axis to lay something along, to search or to scan.
    let zero_dim = first == "Constant" && ["Concat", "ArgReduce", "Scan", "Sort"].contains(&second);
    // Matrices have two axes and are floats; complex numbers are pairs of floats.
    let matrices = ["Factor", "TriangularSolve", "Solve", "Fft"].contains(&second);
    let no_matrix = matrices && ["Constant", "Iota", "ArgReduce"].contains(&first);
    // Of what is rounded otherwise by each road nobody compares the bits.
    let rounded = ["TriangularSolve", "Solve", "Fft"].contains(&first) && second == "Bitcast";
    !leaf && !zero_dim && !no_matrix && !rounded
}

/// Seeds that are tried for a pair.
const ATTEMPTS: u64 = 2000;

fn pairs(case: &Case) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
    case.graph.live().into_iter().flat_map(|id| {
        let node = case.graph.node(id);
        node.inputs
            .iter()
            .map(|v| (case.graph.node(v.node).op.primitive(), node.op.primitive()))
            .collect::<Vec<_>>()
    })
}

#[test]
fn graphs_mean_the_same_by_every_road() {
    let start = Instant::now();
    let time = Duration::from_secs(setting("RUSTORCH_FUZZ_SECONDS", 20));
    let mut seed = setting("RUSTORCH_FUZZ_SEED", 1);
    let mut total = Seen::default();
    let (mut covered, mut scalars) = (BTreeSet::new(), BTreeSet::new());
    let mut missing = Vec::new();
    let mut cases = 0;
    let mut run = |seed: u64, case: &Case, covered: &mut BTreeSet<_>, total: &mut Seen| {
        examine(seed, case, total);
        covered.extend(pairs(case));
        for id in case.graph.live() {
            if let Op::Map(s) = case.graph.node(id).op {
                scalars.insert(s.name());
            }
        }
        cases += 1;
    };
    for first in Op::PRIMITIVES {
        for second in Op::PRIMITIVES {
            let from = seed;
            while possible(first, second) && !covered.contains(&(*first, *second)) {
                if seed - from == ATTEMPTS {
                    missing.push((*first, *second));
                    break;
                }
                seed += 1;
                let options = Options { nodes: 3, smooth: false };
                if let Some(case) = case(seed, Some((first, second)), options) {
                    run(seed, &case, &mut covered, &mut total);
                }
            }
        }
    }
    assert!(missing.is_empty(), "no graph was made in which these feed each other: {missing:?}");
    while start.elapsed() < time {
        seed += 1;
        let options = Options { nodes: 4 + seed % 16, smooth: false };
        if let Some(case) = case(seed, None, options) {
            run(seed, &case, &mut covered, &mut total);
        }
    }
    println!(
        "{cases} cases up to seed {seed} in {:?}: {total:?}, {} scalar functions",
        start.elapsed(),
        scalars.len()
    );
    assert!(
        total.exactly * 2 > total.compared && total.compared > cases,
        "too little is compared: {total:?}"
    );
    assert!(total.plans * 2 > cases && total.failed * 4 < cases, "{total:?}");
    if time >= Duration::from_secs(20) {
        assert_eq!(scalars.len(), Scalar::ALL.len(), "some functions were not used");
    }
}

#[test]
fn gradients_are_slopes() {
    let start = Instant::now();
    let time = Duration::from_secs(setting("RUSTORCH_FUZZ_SECONDS", 20) / 4);
    let (mut seed, mut compared) = (setting("RUSTORCH_FUZZ_SEED", 1), 0);
    let mut covered = BTreeSet::new();
    while start.elapsed() < time || compared < 100 {
        seed += 1;
        let options = Options { nodes: 3 + seed % 8, smooth: true };
        let Some(case) = case(seed, None, options) else { continue };
        match check_gradient(&case, seed) {
            Ok(true) => {
                compared += 1;
                covered.extend(case.graph.live().iter().map(|&id| case.graph.node(id).op.primitive()));
            }
            Ok(false) => {}
            Err(why) => {
                let small = shrink(&case, &|c| check_gradient(c, seed).is_err(), 2000);
                let now = check_gradient(&small, seed).err().unwrap_or_default();
                panic!("seed {seed}: {why}\nshrunk: {now}\n{small}");
            }
        }
    }
    println!("{compared} gradients up to seed {seed}: {covered:?}");
    for name in Op::PRIMITIVES {
        // These have no gradient, hold it back, or have kinks where elements are equal.
        let none = ["Iota", "ArgReduce", "Bitcast", "Sort", "Detach"].contains(name);
        assert!(none || compared < 500 || covered.contains(name), "{name} was not differentiated");
    }
}
