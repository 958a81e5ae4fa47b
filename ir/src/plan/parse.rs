//! Reads the text form of plans that [`text`](super::text) describes.
//!
//! Reading checks that buffers and kernels which are named exist, and that a task gives its kernel the buffers
//! and scalars it takes. No input makes it panic.

use super::{BufId, BufferDecl, Call, Matrix, Output, Place, Plan, Product, Step, Task, Walk};
use crate::loops::parse::{intern, parse_kernels};
use crate::loops::{Kernel, Role};
use crate::parse::{Cursor, Parse, ParseError, Problem, parse_type};
use crate::routine::Routine;

/// Reads one plan and nothing after it: `parse_plan(&p.to_string()) == Ok(p)`.
pub fn parse_plan(text: &str) -> Result<Plan, ParseError> {
    let is_kernel = |line: &str| line.trim_start().starts_with("kernel ");
    let head: usize = text.split_inclusive('\n').take_while(|line| !is_kernel(line)).map(str::len).sum();
    let (head, kernels) = text.split_at(head);
    let lines = head.lines().count();
    let kernels = parse_kernels(kernels).map_err(|e| ParseError {
        line: e.line + lines,
        column: e.column,
        problem: Problem::Expected { expected: e.expected, found: e.found },
    })?;
    let mut reader = Reader { plan: Plan { kernels, ..Plan::default() }, at: At::Start };
    for (number, line) in head.lines().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut cursor = Cursor::new(line);
        let read = reader.line(&mut cursor).and_then(|()| cursor.end());
        read.map_err(|problem| ParseError::at(number + 1, line, problem))?;
    }
    match reader.at {
        At::End => Ok(reader.plan),
        _ => Err(ParseError::at(lines.max(1), "", expected(0, "`return`", "the end"))),
    }
}

fn expected(at: usize, expected: &str, found: &str) -> (usize, Problem) {
    (at, Problem::Expected { expected: expected.into(), found: found.into() })
}

/// What stands before the line to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Steps,
    End,
}

struct Reader {
    plan: Plan,
    at: At,
}

impl Reader {
    fn line(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        match self.at {
            At::Start => {
                c.symbol("plan ")?;
                self.at = At::Steps;
                self.signature(c)
            }
            At::Steps if c.next_is("%") => self.buffer(c),
            At::Steps => self.step(c),
            At::End => c.expected("a kernel"),
        }
    }

    fn signature(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        self.plan.input_slots = c.integer("a number of inputs")?;
        c.symbol("inputs,")?;
        self.plan.scalar_slots = c.integer("a number of scalars")?;
        c.symbol("scalars,")?;
        c.symbol("arena ")?;
        self.plan.arena = c.integer("a number of bytes")?;
        Ok(())
    }

    fn buffer(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        if !self.plan.steps.is_empty() {
            return c.expected("a step or `return`");
        }
        c.symbol(&format!("%{} ", self.plan.buffers.len()))?;
        c.symbol("=")?;
        let place = if c.take("input ") {
            let slot = c.integer("a slot")?;
            c.symbol(", bytes ")?;
            let begin = c.integer("the first byte")?;
            c.symbol("..")?;
            Place::Input { slot, begin, end: c.integer("the end of the bytes")? }
        } else if c.take("output ") {
            Place::Output(c.integer("the number of an output")?)
        } else if c.take("arena ") {
            Place::Arena(c.integer("an offset in bytes")?)
        } else {
            return c.expected("`input`, `output` or `arena`");
        };
        c.symbol(":")?;
        let ty = parse_type(c)?;
        let reason = intern(c.quoted("a reason")?);
        self.plan.buffers.push(BufferDecl { ty, place, reason });
        Ok(())
    }

    fn step(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        if c.take("launch") {
            self.plan.steps.push(Step::Launch { tasks: vec![], finish: vec![] });
            return Ok(());
        }
        if c.take("product ") {
            let product = self.product(c)?;
            self.plan.steps.push(Step::Product(product));
            return Ok(());
        }
        if c.take("routine ") {
            let known = Known { buffers: self.plan.buffers.len(), kernels: &[] };
            let routine = Routine::parse(c)?;
            let inputs = known.listed(c)?;
            c.symbol("->")?;
            let outputs = known.listed(c)?;
            self.plan.steps.push(Step::Routine(Call { routine, inputs, outputs }));
            return Ok(());
        }
        if c.take("return") {
            self.at = At::End;
            return self.outputs(c);
        }
        self.part(c)
    }

    /// A line that belongs to the step before it.
    fn part(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        let known = Known { buffers: self.plan.buffers.len(), kernels: &self.plan.kernels };
        match self.plan.steps.last_mut() {
            Some(Step::Launch { tasks, .. }) if c.take("task ") => tasks.push(known.task(c)?),
            Some(Step::Launch { finish, .. }) if c.take("finish ") => finish.push(known.task(c)?),
            Some(Step::Product(p)) if c.take("lhs ") => p.lhs = known.matrix(c)?,
            Some(Step::Product(p)) if c.take("rhs ") => p.rhs = known.matrix(c)?,
            Some(Step::Product(p)) if c.take("out ") => p.out = known.buf(c)?,
            Some(Step::Product(p)) if c.take("epilogue ") => p.epilogue = Some(known.task(c)?),
            _ => return c.expected("a step, a part of the step before, or `return`"),
        }
        Ok(())
    }

    /// The first line of a product; its operands follow.
    fn product(&self, c: &mut Cursor<'_>) -> Parse<Product> {
        let dtype = c.dtype()?;
        let batch = c.bracketed()?;
        let m = c.integer("a number of rows")?;
        c.symbol("x")?;
        let n = c.integer("a number of columns")?;
        c.symbol("x")?;
        let k = c.integer("a number of terms")?;
        // The lines that follow say which; a plan without buffers has no product.
        if self.plan.buffers.is_empty() {
            return c.expected("buffers before a product");
        }
        let none = Matrix {
            buf: BufId(0),
            offset: 0,
            rows: Walk::Even(0),
            cols: Walk::Even(0),
            batch_strides: vec![],
        };
        Ok(Product { dtype, batch, m, n, k, lhs: none.clone(), rhs: none, out: BufId(0), epilogue: None })
    }

    fn outputs(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        let known = Known { buffers: self.plan.buffers.len(), kernels: &[] };
        while c.next_is("%") {
            let buf = known.buf(c)?;
            c.symbol(":")?;
            self.plan.outputs.push(Output { buf, ty: parse_type(c)? });
            if !c.take(",") {
                break;
            }
        }
        Ok(())
    }
}

/// What a step may name.
struct Known<'p> {
    buffers: usize,
    kernels: &'p [Kernel],
}

impl Known<'_> {
    fn buf(&self, c: &mut Cursor<'_>) -> Parse<BufId> {
        c.symbol("%")?;
        let at = c.position();
        let number: u32 = c.integer("the number of a buffer")?;
        if (number as usize) < self.buffers {
            return Ok(BufId(number));
        }
        Err(expected(at, "a buffer given before", &format!("`%{number}`")))
    }

    /// Buffers in parentheses.
    fn listed(&self, c: &mut Cursor<'_>) -> Parse<Vec<BufId>> {
        c.symbol("(")?;
        let mut bufs = Vec::new();
        while c.next_is("%") {
            bufs.push(self.buf(c)?);
            if !c.take(",") {
                break;
            }
        }
        c.symbol(")")?;
        Ok(bufs)
    }

    fn task(&self, c: &mut Cursor<'_>) -> Parse<Task> {
        c.symbol("@")?;
        let at = c.position();
        let kernel: usize = c.integer("the number of a kernel")?;
        let bufs = self.listed(c)?;
        c.symbol("scalars ")?;
        let scalars: Vec<u32> = c.bracketed()?;
        c.symbol("grain ")?;
        let grain = c.integer("a number of iterations")?;
        let Some(k) = self.kernels.get(kernel) else {
            return Err(expected(at, "a kernel that follows", &format!("`@{kernel}`")));
        };
        let takes = k.params.iter().filter(|p| !matches!(p.role, Role::Scratch(_))).count();
        if (bufs.len(), scalars.len()) != (takes, k.scalars.len()) {
            let wants = format!("{takes} buffers and {} scalars", k.scalars.len());
            return Err(expected(at, &wants, &format!("{} and {}", bufs.len(), scalars.len())));
        }
        Ok(Task { kernel, bufs, scalars, grain })
    }

    fn matrix(&self, c: &mut Cursor<'_>) -> Parse<Matrix> {
        let buf = self.buf(c)?;
        c.symbol("+ ")?;
        let offset = c.integer("an offset")?;
        c.symbol(", rows ")?;
        let rows = walk(c)?;
        c.symbol(", cols ")?;
        let cols = walk(c)?;
        c.symbol(", batches ")?;
        Ok(Matrix { buf, offset, rows, cols, batch_strides: c.bracketed()? })
    }
}

/// A stride, or axes in brackets.
fn walk(c: &mut Cursor<'_>) -> Parse<Walk> {
    if !c.take("[") {
        return Ok(Walk::Even(c.integer("a stride")?));
    }
    let axes = c.list(|c| {
        let extent = c.integer("an extent")?;
        c.symbol(":")?;
        Ok((extent, c.integer("a stride")?))
    })?;
    c.symbol("]")?;
    Ok(Walk::Axes(axes.into_iter().collect()))
}
