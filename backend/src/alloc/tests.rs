use super::*;
use std::sync::atomic::AtomicUsize;

/// The counters are process-wide: tests that read them take turns.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    lock(&TURN)
}

#[test]
fn classes_hold_what_was_asked_for_with_little_waste() {
    let mut previous = 0;
    for class in 0..CLASSES {
        let bytes = class_bytes(class);
        assert!(bytes > previous && bytes.is_multiple_of(ALIGN));
        assert_eq!(class_of(bytes), class);
        assert_eq!(class_of(previous + 1), class);
        if class >= STEPS {
            assert!(bytes <= previous + previous / 8);
        }
        if class >= SLAB_CLASSES {
            assert!(bytes.is_multiple_of(pages::PAGE));
        }
        previous = bytes;
    }
    assert_eq!(class_of(0), 0);
    assert_eq!(class_bytes(SLAB_CLASSES - 1), SLAB_LIMIT);
}

#[test]
fn blocks_are_aligned_and_apart() {
    let _turn = alone();
    let sizes = [0, 1, 64, 65, 1000, 4096, 32768, 32769, 1 << 20, 5 << 20];
    let blocks: Vec<(usize, Block)> =
        sizes.iter().flat_map(|&size| (0..20).map(move |_| (size, alloc(size).unwrap()))).collect();
    let mut ranges: Vec<(usize, usize)> = blocks
        .iter()
        .map(|(size, block)| {
            let start = block.start().as_ptr() as usize;
            assert_eq!(start % ALIGN, 0);
            assert!(block.capacity() >= *size);
            (start, start + block.capacity())
        })
        .collect();
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
}

#[test]
fn zeroed_blocks_are_zero_also_when_reused() {
    let _turn = alone();
    for bytes in [100, 3000, 100_000, 6 << 20] {
        for _ in 0..3 {
            let block = alloc_zeroed(bytes).unwrap();
            // SAFETY: the block holds `bytes` bytes and is this test's own.
            unsafe {
                let content = std::slice::from_raw_parts_mut(block.start().as_ptr(), bytes);
                assert!(content.iter().all(|&byte| byte == 0));
                content.fill(0xAB);
            }
        }
    }
}

#[test]
fn absurd_sizes_are_errors() {
    for bytes in [usize::MAX, usize::MAX - 63, isize::MAX as usize, 1 << 47, 1 << 46] {
        let error = alloc(bytes).unwrap_err();
        assert_eq!(error.requested, bytes);
        assert!(error.available < bytes, "{error}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_that_is_promised_but_not_yet_written_counts() {
    let _turn = alone();
    let available = limits::memory_available().unwrap() as usize;
    let first = alloc(available / 5 * 3).unwrap();
    let second = alloc(available / 5 * 3).unwrap_err();
    assert!(second.available < available / 2, "{second}");
    drop(first);
    drop(alloc(available / 5 * 3).unwrap());
    trim();
}

#[test]
fn a_steady_loop_does_not_reach_the_system() {
    let _turn = alone();
    let step = || {
        let sizes = [80, 5000, 70_000, 3 << 20, 9 << 20];
        sizes.map(|bytes| alloc(bytes).unwrap())
    };
    step();
    let mapped_by_step: Vec<_> = step().iter().map(|block| block.start()).collect();
    let again: Vec<_> = step().iter().map(|block| block.start()).collect();
    assert_eq!(mapped_by_step, again);
}

#[test]
fn the_cache_is_bounded_and_sheds_the_oldest() {
    let mut cache = Cache::new();
    let class = class_of(1 << 20);
    let block = |number: usize| NonNull::new((number << 20) as *mut u8).unwrap();
    (1..=5).for_each(|number| cache.put(block(number), class));
    assert_eq!(cache.bytes, 5 << 20);
    let removed: Vec<_> = cache.shrink_to(2 << 20).into_iter().map(|(start, _)| start).collect();
    assert_eq!(removed, [block(1), block(2), block(3)]);
    assert_eq!(cache.take(class, 0), Some((block(5), class)));
    assert_eq!(cache.take(class - 1, 0), None);
    assert_eq!(cache.take(class - 1, 1), Some((block(4), class)));
    assert_eq!(cache.bytes, 0);
}

#[test]
fn slabs_reuse_blocks_and_hand_back_empty_memory() {
    let mut class = SlabClass::new();
    let bytes = 64 << 10;
    let memory = [pages::map(bytes).unwrap(), pages::map(bytes).unwrap()];
    let mut blocks = Vec::new();
    for memory in memory {
        assert_eq!(class.take(), None);
        blocks.push(class.add(memory, 1024, bytes));
        blocks.extend((1..64).map(|_| class.take().unwrap()));
    }
    let mut starts: Vec<_> = blocks.iter().map(|block| block.0).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), 128);
    let freed = blocks.swap_remove(7);
    assert_eq!(class.give(freed.0, freed.1), None);
    assert_eq!(class.take(), Some(freed));
    blocks.push(freed);
    let handed: Vec<_> = blocks.into_iter().filter_map(|(start, slab)| class.give(start, slab)).collect();
    assert_eq!(handed.len(), 1, "one empty slab stays");
    let kept = class.take_empty();
    assert_eq!(kept.len(), 1);
    assert_ne!(handed, kept);
    assert_eq!(class.take(), None);
    // SAFETY: nothing refers to the two mappings any more.
    memory.into_iter().for_each(|memory| unsafe { pages::unmap(memory, bytes) });
}

#[test]
fn many_threads_share_the_allocator() {
    let _turn = alone();
    let errors = AtomicUsize::new(0);
    let work = |seed: u64| {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = move |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % bound
        };
        let mut held: Vec<(Block, usize, u8)> = Vec::new();
        for round in 0..20_000usize {
            if random(2) == 0 || held.is_empty() {
                let bound = 1 << (4 + random(16));
                let bytes = 1 + random(bound);
                let block = alloc(bytes).unwrap();
                let mark = round as u8;
                // SAFETY: the block holds `bytes` bytes and is this thread's own.
                unsafe { block.start().as_ptr().write_bytes(mark, bytes) };
                held.push((block, bytes, mark));
            } else {
                let (block, bytes, mark) = held.swap_remove(random(held.len()));
                // SAFETY: the block holds `bytes` bytes, all written above.
                let content = unsafe { std::slice::from_raw_parts(block.start().as_ptr(), bytes) };
                errors.fetch_add(usize::from(content.iter().any(|&byte| byte != mark)), Relaxed);
            }
        }
    };
    let work = &work;
    std::thread::scope(|scope| {
        for seed in 1..=4 {
            scope.spawn(move || work(seed));
        }
    });
    assert_eq!(errors.load(Relaxed), 0);
}

#[test]
fn counters_follow() {
    let _turn = alone();
    reset_peak();
    let before = stats();
    let block = alloc(10 << 20).unwrap();
    let during = stats();
    // Other tests of this process allocate meanwhile, but little.
    assert!(during.bytes_peak >= before.bytes_live.saturating_sub(4 << 20) + block.capacity() / 2);
    drop(block);
    set_cache_limit(0);
    let block = alloc(10 << 20).unwrap();
    let requests = stats().os_requests;
    drop(block);
    drop(alloc(10 << 20).unwrap());
    assert!(stats().os_requests > requests, "nothing was kept");
    set_cache_limit(usize::MAX);
}
