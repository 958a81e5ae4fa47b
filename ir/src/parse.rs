//! Reads the text form of graphs that [`text`](crate::text) describes.
//!
//! Each op reads its own attributes, beside the code that prints them ([`crate::op::Primitive::parse`]).
//! No input makes reading panic.

use crate::build::Build;
use crate::dtype::DType;
use crate::error::OpError;
use crate::graph::{Graph, NodeId, Operands, Type, Value};
use crate::op::{Op, Outputs};
use crate::shape::{Dim, Shape};
use std::fmt::Display;
use std::str::FromStr;
use thiserror::Error;

#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{line}:{column}: {problem}")]
pub struct ParseError {
    /// Counted from 1, as is the column, in characters.
    pub line: usize,
    pub column: usize,
    pub problem: Problem,
}

#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Problem {
    #[error("expected {expected}, found {found}")]
    Expected { expected: String, found: String },
    #[error("{0}")]
    Op(#[from] OpError),
    #[error("the op gives {inferred}")]
    Types { inferred: String },
    #[error("the same node as %{0}")]
    Repeats(usize),
    #[error("more elements than the address space has bytes")]
    TooLarge,
}

impl ParseError {
    /// What is wrong at a byte of this line.
    pub(crate) fn at(number: usize, line: &str, (at, problem): (usize, Problem)) -> ParseError {
        ParseError { line: number, column: line[..at].chars().count() + 1, problem }
    }
}

/// Reads one graph and nothing after it: `parse_graph(&g.to_string())` gives `g` again, node by node.
pub fn parse_graph(text: &str) -> Result<Graph, ParseError> {
    let mut reader = Reader { graph: Graph::new(), nodes: Vec::new(), done: false };
    let mut last = 1;
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        last = number + 1;
        if line.trim().is_empty() {
            continue;
        }
        let mut cursor = Cursor { line, at: 0 };
        reader.line(&mut cursor).map_err(|problem| ParseError::at(last, line, problem))?;
    }
    if reader.done {
        return Ok(reader.graph);
    }
    let (expected, found) = ("`return`".to_string(), "the end".to_string());
    Err(ParseError { line: last, column: 1, problem: Problem::Expected { expected, found } })
}

/// A type as graphs print it.
pub fn parse_type(c: &mut Cursor<'_>) -> Parse<Type> {
    let dtype = c.dtype()?;
    Ok(Type::new(dtype, c.shape()?))
}

struct Reader {
    graph: Graph,
    nodes: Vec<NodeId>,
    done: bool,
}

impl Reader {
    fn line(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        if self.done {
            return c.expected("the end");
        }
        if c.take("return") {
            self.graph.outputs = self.values(c)?.to_vec();
            self.done = true;
        } else {
            self.node(c)?;
        }
        c.end()
    }

    fn node(&mut self, c: &mut Cursor<'_>) -> Parse<()> {
        c.symbol(&format!("%{} ", self.nodes.len()))?;
        c.symbol("=")?;
        let start = c.position();
        let name = c.word("an op")?;
        let Some(op) = Op::parse(name, c)? else {
            return Err((start, Problem::Expected { expected: "an op".into(), found: format!("`{name}`") }));
        };
        let inputs = self.values(c)?;
        c.symbol(":")?;
        let at = c.position();
        let mut types = Outputs::new();
        loop {
            types.push(parse_type(c)?);
            if !c.take(",") {
                break;
            }
        }
        let id = self.graph.add(op, &inputs).map_err(|e| (start, Problem::Op(e)))?;
        let node = self.graph.node(id);
        if node.types != types {
            let inferred: Vec<String> = node.types.iter().map(Type::to_string).collect();
            return Err((at, Problem::Types { inferred: inferred.join(", ") }));
        }
        if node.types.iter().any(|t| bytes(t).is_none()) {
            return Err((at, Problem::TooLarge));
        }
        if let Some(before) = self.nodes.iter().position(|&n| n == id) {
            return Err((start, Problem::Repeats(before)));
        }
        self.nodes.push(id);
        Ok(())
    }

    fn values(&mut self, c: &mut Cursor<'_>) -> Parse<Operands> {
        let mut values = Operands::new();
        while c.next_is("%") {
            let start = c.position();
            c.symbol("%")?;
            let n: usize = c.integer("the number of a node")?;
            let port: u8 = if c.take(".") { c.integer("the number of a result")? } else { 0 };
            let known = self.nodes.get(n).filter(|&&id| (port as usize) < self.graph.node(id).types.len());
            let Some(&node) = known else {
                let (expected, found) = ("a value given before".into(), format!("`%{n}.{port}`"));
                return Err((start, Problem::Expected { expected, found }));
            };
            values.push(Value { node, port });
            if !c.take(",") {
                break;
            }
        }
        Ok(values)
    }
}

/// Bytes of a contiguous buffer of this type, if there can be one.
pub(crate) fn bytes(ty: &Type) -> Option<usize> {
    let n = ty.shape.checked_numel()?.checked_mul(ty.dtype.size())?;
    (n <= isize::MAX as usize).then_some(n)
}

/// What is wrong, and at which byte of the line.
pub type Parse<T> = Result<T, (usize, Problem)>;

/// A place in a line. What begins with `take` tries, the other readers insist; all skip blanks first.
#[derive(Debug)]
pub struct Cursor<'t> {
    line: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub fn new(line: &'t str) -> Cursor<'t> {
        Cursor { line, at: 0 }
    }

    fn rest(&self) -> &'t str {
        &self.line[self.at..]
    }

    pub(crate) fn position(&mut self) -> usize {
        self.at = self.line.len() - self.rest().trim_start().len();
        self.at
    }

    pub fn expected<T>(&mut self, expected: &str) -> Parse<T> {
        let at = self.position();
        let word: String = self.rest().chars().take_while(|c| c.is_alphanumeric()).collect();
        let found = match self.rest().chars().next() {
            None => "the end of the line".to_string(),
            Some(c) if word.is_empty() => format!("`{c}`"),
            Some(_) => format!("`{word}`"),
        };
        Err((at, Problem::Expected { expected: expected.into(), found }))
    }

    pub fn next_is(&mut self, symbol: &str) -> bool {
        self.position();
        self.rest().starts_with(symbol)
    }

    pub fn take(&mut self, symbol: &str) -> bool {
        let found = self.next_is(symbol);
        self.at += if found { symbol.len() } else { 0 };
        found
    }

    pub fn symbol(&mut self, symbol: &str) -> Parse<()> {
        if self.take(symbol) { Ok(()) } else { self.expected(&format!("`{}`", symbol.trim_end())) }
    }

    pub fn end(&mut self) -> Parse<()> {
        if self.position() == self.line.len() { Ok(()) } else { self.expected("the end of the line") }
    }

    /// A run of characters that satisfy `of`, if it can be read as a `T`.
    fn read<T: FromStr>(&mut self, expected: &str, of: impl Fn(char) -> bool) -> Parse<T> {
        self.position();
        let rest = self.rest();
        let length = rest.find(|c| !of(c)).unwrap_or(rest.len());
        match rest[..length].parse() {
            Ok(value) => {
                self.at += length;
                Ok(value)
            }
            Err(_) => self.expected(expected),
        }
    }

    pub fn word(&mut self, expected: &str) -> Parse<&'t str> {
        self.position();
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        if length == 0 {
            return self.expected(expected);
        }
        self.at += length;
        Ok(&rest[..length])
    }

    pub fn integer<T: FromStr>(&mut self, expected: &str) -> Parse<T> {
        self.read(expected, |c| c.is_ascii_digit() || c == '-')
    }

    /// What is printed with neither a blank nor `>`.
    pub fn plain<T: FromStr>(&mut self, expected: &str) -> Parse<T> {
        self.read(expected, |c| c != '>' && !c.is_whitespace())
    }

    pub fn dtype(&mut self) -> Parse<DType> {
        self.read("a dtype", |c| c.is_ascii_alphanumeric())
    }

    /// `[2, 3]`.
    pub fn shape(&mut self) -> Parse<Shape> {
        self.symbol("[")?;
        let start = self.position();
        let shape: Shape = self.list(|c| c.integer("an extent").map(Dim::new))?.into_iter().collect();
        self.symbol("]")?;
        match shape.checked_numel() {
            Some(_) => Ok(shape),
            None => Err((start, Problem::TooLarge)),
        }
    }

    /// Items that begin with a digit or a sign, with commas between them; there may be none.
    pub fn list<T>(&mut self, item: impl Fn(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        let number = |c: &mut Self| {
            c.position();
            c.rest().starts_with(|c: char| c.is_ascii_digit() || c == '-')
        };
        let mut items = Vec::new();
        let mut more = number(self);
        while more {
            items.push(item(self)?);
            let before = self.at;
            more = self.take(",") && number(self);
            if !more {
                self.at = before;
            }
        }
        Ok(items)
    }

    pub fn numbers<T: FromStr, C: FromIterator<T>>(&mut self) -> Parse<C> {
        Ok(self.list(|c| c.integer("a number"))?.into_iter().collect())
    }

    /// `[2, 3]` as plain numbers.
    pub fn bracketed<T: FromStr, C: FromIterator<T>>(&mut self) -> Parse<C> {
        self.symbol("[")?;
        let numbers = self.numbers()?;
        self.symbol("]")?;
        Ok(numbers)
    }

    /// A text between quotes, as [`Quoted`](crate::loops::text::Quoted) prints it.
    pub fn quoted(&mut self, expected: &str) -> Parse<String> {
        let start = self.position();
        self.symbol("\"")?;
        let mut text = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((at, c)) = chars.next() {
            match (c, if c == '\\' { chars.next() } else { None }) {
                ('"', _) => {
                    self.at += at + 1;
                    return Ok(text);
                }
                ('\\', Some((_, 'n'))) => text.push('\n'),
                ('\\', Some((_, c @ ('"' | '\\')))) => text.push(c),
                ('\\', _) => break,
                (c, _) => text.push(c),
            }
        }
        self.at = start;
        self.expected(expected)
    }

    /// The items that display as the word at the cursor.
    pub fn one_of<T: Display + Copy>(&mut self, items: &[T], expected: &str) -> Parse<T> {
        let start = self.position();
        let word = self.word(expected)?;
        match items.iter().find(|i| i.to_string() == word) {
            Some(&item) => Ok(item),
            None => {
                self.at = start;
                self.expected(expected)
            }
        }
    }
}
