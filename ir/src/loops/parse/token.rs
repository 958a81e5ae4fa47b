//! The words of LoopIR's text form, and the cursor over them.

use super::{Parse, ParseError};
use crate::loops::Elem;
use std::fmt::{self, Display, Formatter};
use std::iter::Peekable;
use std::str::CharIndices;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token<'t> {
    Value(u32),
    Buffer(u64),
    Scalar(u64),
    Word(&'t str),
    /// A number without its sign.
    Number(&'t str),
    Quoted(String),
    Symbol(&'static str),
    End,
}

impl Display for Token<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Token::Value(n) => write!(f, "`v{n}`"),
            Token::Buffer(n) => write!(f, "`%b{n}`"),
            Token::Scalar(n) => write!(f, "`s{n}`"),
            Token::Word(w) | Token::Number(w) => write!(f, "`{w}`"),
            Token::Quoted(s) => write!(f, "{s:?}"),
            Token::Symbol(s) => write!(f, "`{s}`"),
            Token::End => f.write_str("the end"),
        }
    }
}

/// Longer ones first where one begins another.
const SYMBOLS: [&str; 15] = ["->", "=>", "..", "(", ")", "{", "}", "[", "]", ",", ":", "=", "-", "+", "*"];

struct Lexer<'t> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    line: usize,
    column: usize,
}

impl<'t> Lexer<'t> {
    fn at(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |c| c.0)
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|c| c.1)
    }

    fn next(&mut self) -> Option<char> {
        let (_, c) = self.chars.next()?;
        if c == '\n' {
            (self.line, self.column) = (self.line + 1, 1);
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let start = self.at();
        while self.peek().is_some_and(&keep) {
            self.next();
        }
        let end = self.at();
        &self.text[start..end]
    }

    fn skip_blank(&mut self) {
        loop {
            self.take_while(char::is_whitespace);
            if self.peek() != Some(';') {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Result<Token<'t>, &'static str> {
        let Some(c) = self.peek() else { return Ok(Token::End) };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if c.is_ascii_digit() {
            return Ok(Token::Number(self.number()));
        }
        if word(c) {
            let word = self.take_while(word);
            return Ok(numbered(word).unwrap_or(Token::Word(word)));
        }
        if c == '"' {
            return self.quoted();
        }
        if c == '%' {
            self.next();
            let number = self.take_while(word).strip_prefix('b').and_then(|n| n.parse().ok());
            return number.map(Token::Buffer).ok_or("a buffer `%b` with its number");
        }
        let at = self.at();
        let symbol = SYMBOLS.iter().find(|s| self.text[at..].starts_with(**s));
        let symbol = *symbol.ok_or("a word of LoopIR")?;
        for _ in symbol.chars() {
            self.next();
        }
        Ok(Token::Symbol(symbol))
    }

    /// Digits, with a fraction and an exponent if they follow; or hexadecimal digits behind `0x`.
    fn number(&mut self) -> &'t str {
        let start = self.at();
        self.take_while(|c| c.is_ascii_digit());
        let rest = &self.text[self.at()..];
        if rest.starts_with('x') {
            self.take_while(|c| c.is_ascii_alphanumeric());
        } else {
            if rest.starts_with('.') && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
                self.next();
                self.take_while(|c| c.is_ascii_digit());
            }
            if self.peek() == Some('e') {
                self.next();
                if matches!(self.peek(), Some('-' | '+')) {
                    self.next();
                }
                self.take_while(|c| c.is_ascii_digit());
            }
        }
        let end = self.at();
        &self.text[start..end]
    }

    fn quoted(&mut self) -> Result<Token<'t>, &'static str> {
        self.next();
        let mut content = String::new();
        loop {
            match self.next().ok_or("a closing quote")? {
                '"' => return Ok(Token::Quoted(content)),
                '\\' => match self.next() {
                    Some('n') => content.push('\n'),
                    Some(c @ ('"' | '\\')) => content.push(c),
                    _ => return Err("`\\n`, `\\\"` or `\\\\`"),
                },
                c => content.push(c),
            }
        }
    }
}

/// Whether a word is the name of a value (`v7`) or a scalar argument (`s7`).
pub(in crate::loops) fn is_numbered(word: &str) -> bool {
    numbered(word).is_some()
}

fn numbered(word: &str) -> Option<Token<'_>> {
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if let Some(n) = word.strip_prefix('v').filter(|n| digits(n)) {
        return n.parse().ok().map(Token::Value);
    }
    word.strip_prefix('s').filter(|n| digits(n)).and_then(|n| n.parse().ok()).map(Token::Scalar)
}

struct Placed<'t> {
    token: Token<'t>,
    line: usize,
    column: usize,
}

/// A cursor over the tokens of a text. What begins with `take` tries, the other readers insist.
pub(super) struct Tokens<'t> {
    tokens: Vec<Placed<'t>>,
    next: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Parse<Self> {
        let mut lexer = Lexer { text, chars: text.char_indices().peekable(), line: 1, column: 1 };
        let mut tokens = Vec::new();
        loop {
            lexer.skip_blank();
            let (line, column) = (lexer.line, lexer.column);
            let found = lexer.peek().map_or("the end".to_string(), |c| format!("`{c}`"));
            let token = lexer.token().map_err(|expected| ParseError {
                line,
                column,
                expected: expected.to_string(),
                found,
            })?;
            let end = token == Token::End;
            tokens.push(Placed { token, line, column });
            if end {
                return Ok(Tokens { tokens, next: 0 });
            }
        }
    }

    pub(super) fn peek(&self) -> &Token<'t> {
        &self.tokens[self.next].token
    }

    /// The last token is `End` and stays.
    fn advance(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn error_at(&self, at: usize, expected: &str) -> ParseError {
        let Placed { token, line, column } = &self.tokens[at];
        let (expected, found) = (expected.to_string(), token.to_string());
        ParseError { line: *line, column: *column, expected, found }
    }

    /// The next token is wrong.
    pub(super) fn error_here(&self, expected: &str) -> ParseError {
        self.error_at(self.next, expected)
    }

    /// The token read last is wrong.
    pub(super) fn error_before(&self, expected: &str) -> ParseError {
        self.error_at(self.next.saturating_sub(1), expected)
    }

    fn expect<T>(&mut self, expected: &str, read: impl FnOnce(&Token<'t>) -> Option<T>) -> Parse<T> {
        let value = read(self.peek()).ok_or_else(|| self.error_here(expected))?;
        self.advance();
        Ok(value)
    }

    pub(super) fn exactly(&mut self, token: Token<'_>) -> Parse<()> {
        self.expect(&token.to_string(), |t| (*t == token).then_some(()))
    }

    pub(super) fn end(&mut self) -> Parse<()> {
        self.exactly(Token::End)
    }

    pub(super) fn symbol(&mut self, symbol: &'static str) -> Parse<()> {
        self.exactly(Token::Symbol(symbol))
    }

    pub(super) fn take_symbol(&mut self, symbol: &'static str) -> bool {
        self.symbol(symbol).is_ok()
    }

    pub(super) fn word(&mut self, word: &str) -> Parse<()> {
        self.exactly(Token::Word(word))
    }

    pub(super) fn take_word(&mut self, word: &str) -> bool {
        self.word(word).is_ok()
    }

    pub(super) fn any_word(&mut self, expected: &str) -> Parse<String> {
        self.expect(expected, |t| match t {
            Token::Word(w) => Some((*w).to_string()),
            _ => None,
        })
    }

    pub(super) fn name(&mut self) -> Parse<String> {
        self.expect("a name", |t| match t {
            Token::Word(w) => Some((*w).to_string()),
            Token::Quoted(s) => Some(s.clone()),
            _ => None,
        })
    }

    pub(super) fn value(&mut self) -> Parse<u32> {
        self.expect("a value", |t| match t {
            Token::Value(n) => Some(*n),
            _ => None,
        })
    }

    pub(super) fn buffer(&mut self) -> Parse<u32> {
        self.expect("a buffer", |t| match t {
            Token::Buffer(n) => u32::try_from(*n).ok(),
            _ => None,
        })
    }

    pub(super) fn scalar(&mut self) -> Parse<u16> {
        self.expect("a scalar argument", |t| match t {
            Token::Scalar(n) => u16::try_from(*n).ok(),
            _ => None,
        })
    }

    /// A decimal integer with its sign, if it fits.
    pub(super) fn integer<T: TryFrom<i128>>(&mut self, expected: &str) -> Parse<T> {
        let negative = self.take_symbol("-");
        self.signed(negative, expected)
    }

    /// The same when the sign has been read.
    pub(super) fn magnitude(&mut self, negative: bool) -> Parse<i64> {
        self.signed(negative, "a 64-bit integer")
    }

    fn signed<T: TryFrom<i128>>(&mut self, negative: bool, expected: &str) -> Parse<T> {
        self.expect(expected, |t| match t {
            Token::Number(n) => {
                let n: i128 = n.parse().ok()?;
                T::try_from(if negative { n.checked_neg()? } else { n }).ok()
            }
            _ => None,
        })
    }

    /// The bits of a constant of a register type.
    pub(super) fn constant(&mut self, elem: Elem) -> Parse<u64> {
        let negative = self.take_symbol("-");
        let expected = format!("a constant of type {elem}");
        self.expect(&expected, |t| {
            let digits = match t {
                Token::Number(n) => *n,
                Token::Word("inf") if elem.is_float() => "inf",
                Token::Word("true") if elem == Elem::Mask && !negative => return Some(1),
                Token::Word("false") if elem == Elem::Mask && !negative => return Some(0),
                _ => return None,
            };
            if let Some(hex) = digits.strip_prefix("0x") {
                return u64::from_str_radix(hex, 16).ok().filter(|_| !negative);
            }
            let text = format!("{}{digits}", if negative { "-" } else { "" });
            match elem {
                Elem::Mask => None,
                Elem::I32 => text.parse::<i32>().ok().map(|n| n as u32 as u64),
                Elem::I64 => text.parse::<i64>().ok().map(|n| n as u64),
                Elem::F32 => text.parse::<f32>().ok().map(|x| x.to_bits() as u64),
                Elem::F64 => text.parse::<f64>().ok().map(f64::to_bits),
            }
        })
    }
}
