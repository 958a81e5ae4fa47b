//! Compiled kernels: one module each over one shared description of the processor, freed as a whole.

use super::features::Features;
use super::symbols::{HostSymbols, Symbols};
use super::target::Emitter;
use crate::{BackendError, walk};
use cranelift::prelude::FunctionBuilderContext;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use cranelift_codegen::{Context, ir};
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::{Module, default_libcall_names};
use rustorch_ir::loops::Kernel;
use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

/// `(bufs, scalars, begin, end, scratch) -> status`.
///
/// `bufs` has one pointer per parameter of the kernel, in order, of which those of scratch parameters are not
/// read; `scalars` one 8-byte slot per run-time scalar. `scratch` is 64-byte aligned and as large as
/// [`Kernel::scratch_layout`] says; scratch parameters live in it. The status is 0, or the code of the check that
/// failed, whose detail is then the `i64` at the start of `scratch`.
pub type Entry = unsafe extern "C" fn(*const *mut u8, *const u64, i64, i64, *mut u8) -> i32;

/// The texts of a compilation, for dumps.
#[derive(Clone, Debug)]
pub struct Listing {
    pub clif: String,
    pub assembly: String,
}

/// Code of one kernel; freed when dropped.
pub struct CompiledKernel {
    module: ManuallyDrop<JITModule>,
    entry: Entry,
    code_bytes: usize,
}

// SAFETY: after compilation the module is only the owner of its memory: nothing reads or writes it through a shared
// reference but the instruction fetch of callers of `entry`.
unsafe impl Send for CompiledKernel {}
// SAFETY: as above.
unsafe impl Sync for CompiledKernel {}

impl CompiledKernel {
    /// Valid as long as this object lives.
    pub fn entry(&self) -> Entry {
        self.entry
    }

    pub fn code_bytes(&self) -> usize {
        self.code_bytes
    }
}

impl fmt::Debug for CompiledKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompiledKernel({} bytes)", self.code_bytes)
    }
}

impl Drop for CompiledKernel {
    fn drop(&mut self) {
        // SAFETY: the module is taken once, and `entry` is documented to be valid only while `self` lives.
        unsafe { ManuallyDrop::take(&mut self.module).free_memory() };
    }
}

/// Compiles for the processor at hand.
pub fn compile(kernel: &Kernel) -> Result<CompiledKernel, BackendError> {
    Jit::host()?.compile(kernel)
}

/// As [`compile`], with the texts that a dump shows.
pub fn compile_with_listing(kernel: &Kernel) -> Result<(CompiledKernel, Listing), BackendError> {
    Jit::host()?.compile_with_listing(kernel)
}

/// A compiler: a description of a processor and what kernels may refer to.
pub struct Jit {
    isa: OwnedTargetIsa,
    features: Features,
    symbols: Box<dyn Symbols>,
}

thread_local! {
    /// Arenas of the compiler, which keep their memory from one kernel to the next.
    static ARENAS: RefCell<(Context, FunctionBuilderContext)> =
        RefCell::new((Context::new(), FunctionBuilderContext::new()));
}

impl Jit {
    /// The compiler for this processor and [`HostSymbols`].
    pub fn host() -> Result<&'static Jit, BackendError> {
        static HOST: OnceLock<Result<Jit, BackendError>> = OnceLock::new();
        HOST.get_or_init(|| Jit::new(true, Box::new(HostSymbols))).as_ref().map_err(Clone::clone)
    }

    /// A compiler of its own: for the instructions found here (`detect`), or for the least processor of this
    /// architecture.
    pub fn new(detect: bool, symbols: Box<dyn Symbols>) -> Result<Jit, BackendError> {
        let host = |reason: String| BackendError::Host(reason);
        let mut flags = settings::builder();
        let verify = if cfg!(debug_assertions) { "true" } else { "false" };
        for (name, value) in [
            ("opt_level", "speed"),
            ("enable_verifier", verify),
            ("is_pic", "false"),
            ("use_colocated_libcalls", "false"),
            ("unwind_info", "false"),
        ] {
            flags.set(name, value).map_err(|e| host(format!("{name}: {e}")))?;
        }
        let builder = cranelift_native::builder_with_options(detect).map_err(|e| host(e.into()))?;
        let isa = builder.finish(settings::Flags::new(flags)).map_err(|e| host(e.to_string()))?;
        let features = Features::of(&*isa);
        Ok(Jit { isa, features, symbols })
    }

    pub fn compile(&self, kernel: &Kernel) -> Result<CompiledKernel, BackendError> {
        self.compile_in_arenas(kernel, false).map(|(compiled, _)| compiled)
    }

    pub fn compile_with_listing(&self, kernel: &Kernel) -> Result<(CompiledKernel, Listing), BackendError> {
        let (compiled, listing) = self.compile_in_arenas(kernel, true)?;
        Ok((compiled, listing.expect("a listing was asked for")))
    }

    fn compile_in_arenas(
        &self,
        kernel: &Kernel,
        list: bool,
    ) -> Result<(CompiledKernel, Option<Listing>), BackendError> {
        ARENAS.with_borrow_mut(|(context, builder)| {
            context.clear();
            context.set_disasm(list);
            let result = self.build(kernel, context, builder, list);
            if result.is_err() {
                // A builder that was left in the middle cannot be used again.
                *builder = FunctionBuilderContext::new();
            }
            result
        })
    }

    fn build(
        &self,
        kernel: &Kernel,
        context: &mut Context,
        builder: &mut FunctionBuilderContext,
        list: bool,
    ) -> Result<(CompiledKernel, Option<Listing>), BackendError> {
        context.func.signature = Emitter::signature(&*self.isa);
        context.func.name = ir::UserFuncName::user(0, 0);
        let mut emitter =
            Emitter::new(kernel, &mut context.func, builder, &*self.isa, self.features, &*self.symbols);
        walk::emit(kernel, &mut emitter)?;
        emitter.finalize();
        let clif = list.then(|| context.func.display().to_string());

        let failed = |reason: String| BackendError::Codegen { kernel: kernel.name.clone(), reason };
        let mut module = JITModule::new(JITBuilder::with_isa(self.isa.clone(), default_libcall_names()));
        #[allow(clippy::result_large_err)] // the module's own error, turned into text at once
        let built = (|| {
            let id = module.declare_anonymous_function(&context.func.signature)?;
            module.define_function(id, context)?;
            module.finalize_definitions()?;
            Ok(module.get_finalized_function(id))
        })()
        .map_err(|error: cranelift_module::ModuleError| format!("{error:?}"));
        let address = match built {
            Ok(address) => address,
            Err(error) => {
                // SAFETY: no pointer into the module was handed out.
                unsafe { module.free_memory() };
                return Err(failed(error));
            }
        };
        let code = context.compiled_code().expect("the function was compiled");
        let listing = clif.map(|clif| Listing { clif, assembly: code.vcode.clone().unwrap_or_default() });
        let compiled = CompiledKernel {
            module: ManuallyDrop::new(module),
            // SAFETY: the code was emitted for this signature with the platform's C calling convention.
            entry: unsafe { std::mem::transmute::<*const u8, Entry>(address) },
            code_bytes: code.code_buffer().len(),
        };
        Ok((compiled, listing))
    }

    /// The processor that code is made for.
    pub fn isa(&self) -> &dyn TargetIsa {
        &*self.isa
    }
}
