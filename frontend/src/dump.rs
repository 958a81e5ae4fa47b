//! What became of each compile unit, in files: `RUSTORCH_DUMP`.
//!
//! A unit's files begin with its number and then theirs: the extracted graph; the rewritten one, with the rules
//! that were applied; the fused one, which says what gets a buffer and why; the kernels after each pass; the plan;
//! CLIF and machine code of each kernel. Graphs, LoopIR and plans read back through the parsers of `ir`.

use crate::error::Result;
use crate::extract::Unit;
use crate::record::{Recorded, lock};
use crate::region::Region;
use crate::tensor::Tensor;
use rustorch_backend::cranelift::compile_with_listing;
use rustorch_ir::Graph;
use rustorch_ir::plan::Plan;
use rustorch_passes::inline::inline;
use rustorch_passes::observe::{Stage, annotated};
use std::fmt::{Display, Write as _};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};

impl Tensor {
    /// The graph that would compute this tensor now.
    pub fn ir(&self) -> Result<String> {
        let values: [Recorded; 1] = [self.read()?];
        let region = Region::collect(&values);
        Ok(inline(&Unit::of(&values, &region)?.request()?.request).graph.to_string())
    }
}

static DIRECTORY: LazyLock<Mutex<Option<PathBuf>>> = LazyLock::new(|| {
    Mutex::new(std::env::var_os("RUSTORCH_DUMP").filter(|d| !d.is_empty()).map(PathBuf::from))
});

/// Where dumps go from now on; `None` ends them.
pub fn set_directory(directory: Option<PathBuf>) {
    *lock(&DIRECTORY) = directory;
}

/// The files of one compile unit. One that cannot be written is reported, and does not stop the work.
pub(crate) struct Dump {
    directory: PathBuf,
    unit: u64,
    /// The stages that have a file, in order.
    files: Vec<String>,
    rules: String,
}

impl Dump {
    /// Begins a compile unit, if there is a directory to dump to.
    pub fn begin(graph: &Graph) -> Option<Dump> {
        static UNITS: AtomicU64 = AtomicU64::new(1);
        let directory = lock(&DIRECTORY).clone()?;
        if let Err(e) = fs::create_dir_all(&directory) {
            eprintln!("rustorch: RUSTORCH_DUMP={}: {e}", directory.display());
            return None;
        }
        let unit = UNITS.fetch_add(1, Relaxed);
        let mut dump = Dump { directory, unit, files: Vec::new(), rules: String::new() };
        dump.write("extracted.ir", graph);
        Some(dump)
    }

    /// Puts a text into the file of this stage: behind what the stage has written before.
    fn write(&mut self, stage: &str, text: impl Display) {
        let known = self.files.iter().position(|file| file == stage);
        let number = known.unwrap_or(self.files.len());
        if known.is_none() {
            self.files.push(stage.to_string());
        }
        let path = self.directory.join(format!("{:04}-{number:02}-{stage}", self.unit));
        let mut options = OpenOptions::new();
        let options = options.create(true).write(true).append(known.is_some()).truncate(known.is_none());
        let written: io::Result<()> = options.open(&path).and_then(|mut file| write!(file, "{text}"));
        if let Err(e) = written {
            eprintln!("rustorch: {}: {e}", path.display());
        }
    }

    pub fn stage(&mut self, stage: Stage<'_>) {
        match stage {
            Stage::Rule { graph, applied } => {
                let after = &graph.node(applied.after.node).op;
                // Writing to a string does not fail.
                let _ = writeln!(self.rules, "# {}: {} -> {after}", applied.rule, applied.before.0);
            }
            Stage::Rewritten(graph) => {
                let rules = std::mem::take(&mut self.rules);
                self.write("rewritten.ir", format_args!("{rules}{graph}"));
            }
            Stage::Fused { graph, fusion } => self.write("fused.ir", annotated(graph, fusion)),
            Stage::Kernel { pass, kernel } => self.write(&format!("{pass}.loops"), kernel),
        }
    }

    /// The plan, and what Cranelift makes of its kernels.
    pub fn plan(&mut self, plan: &Plan) {
        self.write("plan.txt", plan);
        for kernel in &plan.kernels {
            match compile_with_listing(kernel) {
                Ok((_, listing)) => {
                    self.write(&format!("{}.clif", kernel.name), listing.clif);
                    self.write(&format!("{}.asm", kernel.name), listing.assembly);
                }
                Err(e) => self.write(&format!("{}.failed", kernel.name), e),
            }
        }
    }
}
