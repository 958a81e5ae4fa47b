//! What the emitter must know of the processor.

use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::Value;

#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    pub x86: bool,
    /// Fused multiply-add, scalar and vector.
    pub fma: bool,
    /// Vector rounding and blending (on x86: SSE4.1).
    pub round: bool,
    /// Any permutation of bytes in one instruction (on x86: SSSE3).
    pub permute: bool,
}

impl Features {
    pub fn of(isa: &dyn TargetIsa) -> Features {
        let flags = isa.isa_flags();
        let has = |name| flags.iter().any(|flag: &Value| flag.name == name && flag.as_bool() == Some(true));
        let x86 = isa.name() == "x64";
        Features {
            x86,
            fma: !x86 || (has("has_fma") && has("has_avx")),
            round: !x86 || has("has_sse41"),
            permute: !x86 || has("has_ssse3"),
        }
    }
}
