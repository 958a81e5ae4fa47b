//! What a kernel is counted to do.

use rustorch_ir::loops::count::{Counts, count};
use rustorch_ir::loops::parse::parse_kernel;
use rustorch_ir::loops::verify::verify;

#[track_caller]
fn counted(text: &str) -> Counts {
    let kernel = parse_kernel(text).unwrap();
    verify(&kernel).unwrap();
    count(&kernel)
}

#[test]
fn loops_multiply_what_they_hold() {
    let seen = counted(
        "kernel rows(in %b0: f32, out %b1: bf16) parallel 64 (v0..v1)
where
  v3: i64 = const 0
  v4: i64 = const 10
  v5: f32 = const 0.0
{
  for v2 in v0..v1 step 1 {
    for v6 in v3..v4 step 1 carry (v7: f32 = v5 -> v10 => v11 by add) {
      v8: i64 = affine 10*v2 + v6
      v9: f32 = load f32 %b0[v8]
      v10: f32 = fma v9, v9, v7
    }
    v12: f32 = neg v11
    v13: i32 = bits v12
    store bf16 %b1[v2] = v13
  }
}",
    );
    assert_eq!(seen, Counts { flops: 64 * 10 * 2, loaded: vec![64 * 10 * 4, 0], stored: vec![0, 64 * 2] });
}

#[test]
fn lanes_count_each_and_what_they_leave_over_too() {
    let seen = counted(
        "kernel lanes(in %b0: f64, out %b1: f64) parallel 19 (v0..v1)
where
  v3: i64 = const 16
  v4: i64 = const 0
{
  v5: i64 = rem v1, v3
  v6: i64 = sub v1, v5
  for v2 in v0..v6 step 16 {
    v7: f64x16 = load f64 %b0[v2]
    v8: f64x16 = mul v7, v7
    v9: f64 = reduce add v8
    v10: f64x16 = splat v9
    store f64 %b1[v2] = v10
  }
  for v11 in v6..v1 step 1 {
    v12: f64 = load f64 %b0[v11]
    v13: f64 = sqrt v12
    store f64 %b1[v11] = v13
  }
}",
    );
    assert_eq!(seen, Counts { flops: 16 + 15 + 3, loaded: vec![19 * 8, 0], stored: vec![0, 19 * 8] });
}

/// Chunks of four of ten: the last one is short.
#[test]
fn bounds_that_follow_an_outer_loop_are_followed() {
    let seen = counted(
        "kernel chunks(in %b0: f32, out %b1: f32, scratch %b2: f32[4]) parallel 3 (v0..v1)
where
  v3: i64 = const 0
  v4: i64 = const 10
  v5: i64 = const 4
  v6: i64 = const 1
{
  for v2 in v0..v1 step 1 {
    v7: i64 = affine 4*v2
    v8: i64 = affine 4*v2 + 4
    v9: i64 = min v8, v4
    v10: i64 = sub v9, v7
    strip exp(%b2) -> %b2 count v10
    for v11 in v7..v9 step 1 {
      v12: f32 = load f32 %b0[v11]
      v13: f32 = add v12, v12
      store f32 %b1[v11] = v13
    }
  }
}",
    );
    assert_eq!(seen, Counts { flops: 10 + 10, loaded: vec![40, 0, 40], stored: vec![0, 40, 40] });
}

#[test]
fn loops_that_never_run_count_nothing() {
    let seen = counted(
        "kernel none(in %b0: f32, out %b1: f32) parallel 0 (v0..v1)
{
  for v2 in v0..v1 step 1 {
    v3: f32 = load f32 %b0[v2]
    store f32 %b1[v2] = v3
  }
}",
    );
    assert_eq!(seen, Counts { flops: 0, loaded: vec![0, 0], stored: vec![0, 0] });
}
