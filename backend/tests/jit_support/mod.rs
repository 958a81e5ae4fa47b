//! Kernels made by hand, and the JIT against the interpreter on them.

#![allow(dead_code, reason = "each test file uses its own part")]

use rustorch_backend::cranelift::{CompiledKernel, HostSymbols, Jit};
use rustorch_ir::dtype::DType;
use rustorch_ir::loops::interp::{self, Outcome};
use rustorch_ir::loops::verify::verify;
use rustorch_ir::loops::*;
use std::sync::OnceLock;

pub mod widen;

/// A kernel under construction, with no simplification whatever.
pub struct Maker {
    pub kernel: Kernel,
    open: Vec<Block>,
}

impl Maker {
    pub fn new(parallel: usize) -> Maker {
        let insts = vec![(Inst::Defined, Ty::I64), (Inst::Defined, Ty::I64)];
        let kernel = Kernel {
            name: "test".into(),
            params: vec![],
            scalars: vec![],
            insts,
            parallel,
            begin: Val(0),
            end: Val(1),
            body: vec![],
        };
        Maker { kernel, open: vec![vec![]] }
    }

    pub fn param(&mut self, mem: DType, role: Role) -> Buf {
        self.kernel.params.push(Param { mem, role });
        Buf(self.kernel.params.len() as u32 - 1)
    }

    pub fn scalar(&mut self, elem: Elem) -> Val {
        self.kernel.scalars.push(elem);
        self.arena(Inst::Scalar(self.kernel.scalars.len() as u16 - 1), Ty::scalar(elem))
    }

    /// An instruction that no block lists.
    pub fn arena(&mut self, inst: Inst, ty: Ty) -> Val {
        self.kernel.insts.push((inst, ty));
        Val(self.kernel.insts.len() as u32 - 1)
    }

    pub fn push(&mut self, inst: Inst, ty: Ty) -> Val {
        let v = self.arena(inst, ty);
        self.stmt(Stmt::Let(v));
        v
    }

    pub fn stmt(&mut self, stmt: Stmt) {
        self.open.last_mut().unwrap().push(stmt);
    }

    pub fn int(&mut self, value: i64) -> Val {
        self.arena(Inst::Const(value as u64), Ty::I64)
    }

    pub fn constant(&mut self, elem: Elem, bits: u64) -> Val {
        self.arena(Inst::Const(bits), Ty::scalar(elem))
    }

    pub fn splat(&mut self, v: Val, lanes: u16) -> Val {
        let elem = self.kernel.ty(v).elem;
        if lanes == 1 { v } else { self.push(Inst::Splat(v), Ty { elem, lanes }) }
    }

    pub fn load(&mut self, buf: Buf, addr: Addr, lanes: u16) -> Val {
        let mem = self.kernel.params[buf.0 as usize].mem;
        self.push(Inst::Load { buf, mem, addr }, Ty { elem: register_of(mem), lanes })
    }

    pub fn store(&mut self, buf: Buf, addr: Addr, value: Val) {
        let mem = self.kernel.params[buf.0 as usize].mem;
        self.stmt(Stmt::Store { buf, mem, addr, value });
    }

    /// A loop whose body yields the next values.
    pub fn for_loop(
        &mut self,
        (begin, end): (Val, Val),
        step: i64,
        inits: &[Val],
        body: impl FnOnce(&mut Maker, Val, &[Val]) -> Vec<Val>,
    ) -> Vec<Val> {
        let var = self.arena(Inst::Defined, Ty::I64);
        let same = |m: &mut Maker, v: Val| m.arena(Inst::Defined, m.kernel.ty(v));
        let phis: Vec<Val> = inits.iter().map(|&v| same(self, v)).collect();
        self.open.push(vec![]);
        let nexts = body(self, var, &phis);
        let body = self.open.pop().unwrap();
        let results: Vec<Val> = inits.iter().map(|&v| same(self, v)).collect();
        let carried = (0..inits.len())
            .map(|k| Carried {
                phi: phis[k],
                init: inits[k],
                next: nexts[k],
                result: results[k],
                combine: None,
            })
            .collect();
        self.stmt(Stmt::For(Box::new(For { var, begin, end, step, carried, body })));
        results
    }

    /// A loop over the kernel's own range.
    pub fn over_range(&mut self, step: i64, body: impl FnOnce(&mut Maker, Val)) {
        let range = (self.kernel.begin, self.kernel.end);
        self.for_loop(range, step, &[], |m, i, _| {
            body(m, i);
            vec![]
        });
    }

    pub fn finish(mut self) -> Kernel {
        self.kernel.body = self.open.pop().unwrap();
        verify(&self.kernel).unwrap();
        self.kernel
    }
}

/// Stored numbers; specials first, then random bits.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// Bits of an element of a stored type: often a special one.
    pub fn element(&mut self, mem: DType) -> u64 {
        const F32: [f32; 12] = [
            0.0,
            -0.0,
            1.0,
            -1.5,
            2.5,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            f32::MIN_POSITIVE,
            1e-45,
            f32::MAX,
            0.5,
        ];
        const INT: [i64; 8] = [0, 1, -1, 2, i64::MIN, i64::MAX, i32::MIN as i64, i32::MAX as i64];
        let bits = self.next();
        let special = self.below(3) == 0;
        match mem {
            DType::Bool => bits % 3,
            DType::F32 if special => u64::from(F32[bits as usize % F32.len()].to_bits()),
            DType::F64 if special => f64::from(F32[bits as usize % F32.len()]).to_bits(),
            DType::F32 => u64::from(((bits as i32 as f32) / 65536.0).to_bits()),
            DType::F64 => ((bits as i64 as f64) / 2f64.powi(40)).to_bits(),
            DType::I64 | DType::I32 if special => INT[bits as usize % INT.len()] as u64,
            _ => bits,
        }
    }

    pub fn buffer(&mut self, mem: DType, len: usize) -> Vec<u8> {
        (0..len).flat_map(|_| self.element(mem).to_le_bytes()[..mem.size()].to_vec()).collect()
    }
}

/// The JIT for this processor and for the least one of its architecture.
pub fn jits() -> &'static [Jit; 2] {
    static JITS: OnceLock<[Jit; 2]> = OnceLock::new();
    JITS.get_or_init(|| [true, false].map(|detect| Jit::new(detect, Box::new(HostSymbols)).unwrap()))
}

/// Runs compiled code. Parameters without bytes are scratch.
pub fn run_jit(
    compiled: &CompiledKernel,
    kernel: &Kernel,
    bufs: &mut [Vec<u8>],
    scalars: &[u64],
    (begin, end): (i64, i64),
) -> Outcome {
    let (bytes, _) = kernel.scratch_layout();
    let mut scratch = vec![0xaau8; bytes + 64];
    let align = scratch.as_ptr().align_offset(64);
    let pointers: Vec<*mut u8> = bufs.iter_mut().map(|b| b.as_mut_ptr()).collect();
    let scratch = &mut scratch[align..];
    // SAFETY: the kernel was verified and interpreted on the same buffers, so it stays inside them; `scratch` has
    // the layout's size and alignment.
    let code =
        unsafe { compiled.entry()(pointers.as_ptr(), scalars.as_ptr(), begin, end, scratch.as_mut_ptr()) };
    match code {
        0 => Outcome::Done,
        code => Outcome::Failed { code, detail: i64::from_le_bytes(scratch[..8].try_into().unwrap()) },
    }
}

/// Bits with every NaN made the same.
pub fn canonical(mem: DType, bytes: &[u8]) -> Vec<u64> {
    bytes
        .chunks(mem.size())
        .map(|element| {
            let mut bits = [0; 8];
            bits[..element.len()].copy_from_slice(element);
            let bits = u64::from_le_bytes(bits);
            match mem {
                DType::F32 if f32::from_bits(bits as u32).is_nan() => u64::from(f32::NAN.to_bits()),
                DType::F64 if f64::from_bits(bits).is_nan() => f64::NAN.to_bits(),
                _ => bits,
            }
        })
        .collect()
}

/// Interprets and runs with every JIT, on the same buffers; all must agree. Returns the outcome and the buffers.
pub fn agree(
    kernel: &Kernel,
    bufs: &[Vec<u8>],
    scalars: &[u64],
    range: (i64, i64),
) -> (Outcome, Vec<Vec<u8>>) {
    let mut expected = bufs.to_vec();
    let mut slices: Vec<&mut [u8]> = expected.iter_mut().map(|b| &mut b[..]).collect();
    let wanted = interp::run(kernel, &mut slices, scalars, range.0, range.1, &|_, _, _| None)
        .unwrap_or_else(|e| panic!("{e}\n{kernel}"));
    for (which, jit) in jits().iter().enumerate() {
        let compiled = jit.compile(kernel).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
        let mut actual = bufs.to_vec();
        let outcome = run_jit(&compiled, kernel, &mut actual, scalars, range);
        assert_eq!(outcome, wanted, "jit {which}\n{kernel}");
        for (k, param) in kernel.params.iter().enumerate() {
            let (a, b) = (canonical(param.mem, &actual[k]), canonical(param.mem, &expected[k]));
            if let Some(at) = (0..a.len()).find(|&i| a[i] != b[i]) {
                panic!("jit {which}, parameter {k}, element {at}: {:#x}, not {:#x}\n{kernel}", a[at], b[at]);
            }
        }
    }
    (wanted, expected)
}
