use super::*;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU32;

/// The thread count is process-wide: tests that set it take turns.
pub(crate) fn with_threads(n: usize) -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    set_num_threads(n);
    turn
}

fn visits(total: usize, grain: usize) -> Vec<u32> {
    let visits: Vec<AtomicU32> = (0..total).map(|_| AtomicU32::new(0)).collect();
    parallel_for(total, grain, |begin, end| {
        assert!(begin < end && end <= total && begin.is_multiple_of(grain.max(1)));
        visits[begin..end].iter().for_each(|count| {
            count.fetch_add(1, Relaxed);
        });
    })
    .unwrap();
    visits.into_iter().map(AtomicU32::into_inner).collect()
}

#[test]
fn every_index_is_visited_once() {
    for threads in [1, 2, 3, 7] {
        let _turn = with_threads(threads);
        for total in [0, 1, 2, 63, 64, 65, 1000, 10_007] {
            for grain in [0, 1, 2, 64, 1000, 20_000] {
                assert!(visits(total, grain).iter().all(|&count| count == 1), "{threads} {total} {grain}");
            }
        }
    }
}

#[test]
fn small_loops_stay_on_the_caller() {
    let _turn = with_threads(4);
    let caller = std::thread::current().id();
    parallel_for(64, 64, |begin, end| {
        assert_eq!((begin, end), (0, 64));
        assert_eq!(std::thread::current().id(), caller);
    })
    .unwrap();
}

#[test]
fn workers_do_take_part() {
    let _turn = with_threads(2);
    let meet = std::sync::Barrier::new(2);
    // Two chunks that wait for one another can only end on two threads.
    parallel_for(2, 1, |_, _| {
        meet.wait();
    })
    .unwrap();
}

#[test]
fn worker_numbers_are_exclusive() {
    let _turn = with_threads(4);
    let busy: Vec<AtomicBool> = (0..4).map(|_| AtomicBool::new(false)).collect();
    for _ in 0..200 {
        parallel_for_workers(4, 64, 1, |worker, _, _| {
            assert!(!busy[worker].swap(true, SeqCst));
            std::hint::spin_loop();
            busy[worker].store(false, SeqCst);
        })
        .unwrap();
    }
}

#[test]
fn loops_inside_loops_and_callers_side_by_side() {
    let _turn = with_threads(3);
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..50 {
                    parallel_for(8, 1, |begin, end| {
                        parallel_for((end - begin) * 10, 1, |begin, end| {
                            count.fetch_add(end - begin, Relaxed);
                        })
                        .unwrap();
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 12 * 50 * 80);
}

#[test]
fn an_interrupt_ends_the_loop_between_chunks() {
    for threads in [1, 2] {
        let _turn = with_threads(threads);
        let interrupt = Interrupt::new();
        let begun = AtomicUsize::new(0);
        let outcome = run(&interrupt, || {
            parallel_for(1000, 1, |_, _| {
                begun.fetch_add(1, SeqCst);
                interrupt.set();
            })
        });
        assert_eq!(outcome, Err(Interrupted));
        assert!(begun.into_inner() <= threads);
        assert_eq!(run(&interrupt, || parallel_for(1000, 1, |_, _| panic!("begun"))), Err(Interrupted));
        assert!(run(&interrupt, interrupted) && !interrupted());
        assert_eq!(parallel_for(1000, 1, |_, _| ()), Ok(()));
    }
}

#[test]
fn polls_are_made_by_the_caller_only() {
    let _turn = with_threads(2);
    let caller = std::thread::current().id();
    let interrupt = Interrupt::polling(move || {
        assert_eq!(std::thread::current().id(), caller);
        true
    });
    LazyLock::force(&EPOCH);
    std::thread::sleep(POLL_EVERY);
    let outcome =
        run(&interrupt, || parallel_for(1000, 1, |_, _| std::thread::sleep(Duration::from_millis(1))));
    assert_eq!(outcome, Err(Interrupted));
}

#[test]
fn panics_reach_the_caller_and_leave_the_team_usable() {
    for threads in [1, 2] {
        let _turn = with_threads(threads);
        for _ in 0..20 {
            let attempt = || parallel_for(100, 1, |_, end| assert!(end <= 50, "too far"));
            let panic = std::panic::catch_unwind(attempt).unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"too far"));
        }
        assert!(visits(100, 1).iter().all(|&count| count == 1));
    }
}

#[test]
fn install_uses_a_pool_of_the_chosen_size() {
    for threads in [3, 2] {
        let _turn = with_threads(threads);
        assert_eq!(install(rayon::current_num_threads), threads);
    }
}

#[test]
fn idle_workers_go_to_sleep() {
    let _turn = with_threads(2);
    let meet = std::sync::Barrier::new(2);
    parallel_for(2, 1, |_, _| {
        meet.wait();
    })
    .unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while AWAKE.load(SeqCst) > 0 {
        assert!(Instant::now() < deadline, "a worker still spins");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(unix)]
#[test]
fn a_forked_child_has_a_team_of_its_own() {
    let _turn = with_threads(2);
    assert!(visits(1000, 1).iter().all(|&count| count == 1));
    for _ in 0..5 {
        // SAFETY: the child touches only what is made fork-safe here and leaves by _exit.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let meet = std::sync::Barrier::new(2);
            let both = parallel_for(2, 1, |_, _| {
                meet.wait();
            })
            .is_ok();
            let block = crate::alloc::alloc(1 << 20).is_ok();
            // SAFETY: ends the child at once, without the parent's destructors.
            unsafe { libc::_exit(if both && block { 7 } else { 1 }) };
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut status = 0;
        // SAFETY: `child` is our child and `status` a place for its status.
        while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
            if Instant::now() > deadline {
                // SAFETY: the process is our own child.
                unsafe { libc::kill(child, libc::SIGKILL) };
                panic!("the child hangs");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7);
    }
}

#[test]
fn an_empty_loop_under_an_interrupt_runs_nothing() {
    let interrupt = Interrupt::new();
    let done = run(&interrupt, || parallel_for(0, 4, |_, _| panic!("there is nothing to run")));
    assert!(done.is_ok());
}
