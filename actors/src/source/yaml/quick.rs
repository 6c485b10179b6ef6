//! The quick way through the plainest YAML, which most of a large input is: one document of block mappings and lists, one
//! field a line, in ASCII, with values that need no unescaping, and flow collections on one line.
//!
//! It builds just the tree that the parser would, places included, or gives up: then the parser has its say, so that
//! nothing is understood in two ways and every problem is reported by one of them only. Tests hold the two against each
//! other.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Key, Node, Value, is_null};
use crate::source::diagnostic::Place;

/// Deeper nesting is left to the parser.
const MAX_DEPTH: usize = 32;
/// Longer lines are, too: a key may not be that far from its colon.
const MAX_LINE: usize = 1_000;

/// The one document of a text, with the number of its nodes, keys among them; `None` when it is not plain enough.
pub(super) fn document(file: u32, first_line: u32, text: &str) -> Option<(Node<'_>, usize)> {
    let mut reader = Reader { rest: text, line: None, file, number: first_line, count: 0 };
    reader.advance()?;
    if reader.line.is_some_and(|line| line.text == "---") {
        reader.advance()?;
    }
    let first = reader.line.filter(|line| line.indent == 0 && !line.is_item())?;
    let node = reader.mapping(0, first.place(file, 0, 1), 0)?;
    reader.line.is_none().then_some((node, reader.count))
}

/// A line that is not empty.
#[derive(Clone, Copy)]
struct Line<'t> {
    /// All of it, without the line feed.
    text: &'t str,
    /// Where its content begins.
    indent: usize,
    /// From 1.
    number: u32,
}

impl Line<'_> {
    fn is_item(&self) -> bool {
        self.text[self.indent..].starts_with("- ")
    }

    fn place(&self, file: u32, start: usize, width: usize) -> Place {
        Place { file, line: self.number, column: column(start), width: column(width.max(1)) - 1 }
    }
}

/// Lines are short, so that this cannot overflow.
fn column(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX - 1) + 1
}

struct Reader<'t> {
    rest: &'t str,
    /// The line that is to be read next; `None` behind the last one.
    line: Option<Line<'t>>,
    file: u32,
    number: u32,
    count: usize,
}

impl<'t> Reader<'t> {
    /// Goes on to the next line that is neither empty nor a comment.
    fn advance(&mut self) -> Option<()> {
        self.line = None;
        while !self.rest.is_empty() {
            let (text, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            (self.rest, self.number) = (rest, self.number + 1);
            let Some(indent) = text.bytes().position(|byte| byte != b' ') else { continue };
            if text.as_bytes()[indent] == b'#' {
                continue;
            }
            let plain = text.len() <= MAX_LINE && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            self.line = Some(Line { text, indent, number: self.number });
            return (plain && !text.ends_with(' ')).then_some(());
        }
        Some(())
    }

    /// A mapping whose keys stand at this offset; the present line is at the first of them.
    fn mapping(&mut self, indent: usize, place: Place, depth: usize) -> Option<Node<'t>> {
        self.enter(depth)?;
        let mut entries = Vec::new();
        let mut first = true;
        while let Some(line) = self.line {
            let begins = if first { indent } else { line.indent };
            if begins < indent || (begins == indent && !first && line.is_item()) {
                break;
            }
            if begins > indent {
                return None;
            }
            first = false;
            let (key, value) = key(line, indent, self.file)?;
            let node = self.value(line, value, indent, depth)?;
            self.count += 1;
            entries.push((key, node));
        }
        distinct(&entries).then_some(Node { place, value: Value::Mapping(entries) })
    }

    /// What a key has, whose line goes on at `start`.
    fn value(&mut self, line: Line<'t>, start: Option<usize>, indent: usize, depth: usize) -> Option<Node<'t>> {
        if let Some(start) = start {
            let node = self.inline(line, start, depth)?;
            self.advance()?;
            // A deeper line would go on with the value.
            return self.line.is_none_or(|next| next.indent <= indent).then_some(node);
        }
        self.advance()?;
        let next = self.line.filter(|next| next.indent > indent || (next.indent == indent && next.is_item()))?;
        // The parser says of a list that is not indented that it begins behind its first dash.
        let flush = next.indent == indent;
        if flush && next.text[next.indent + 2..].starts_with(' ') {
            return None;
        }
        let place = next.place(self.file, next.indent + if flush { 2 } else { 0 }, 1);
        match next.is_item() {
            true => self.sequence(next.indent, place, depth + 1),
            false => self.mapping(next.indent, place, depth + 1),
        }
    }

    /// A list whose dashes stand at this offset; the present line is the first of them.
    fn sequence(&mut self, indent: usize, place: Place, depth: usize) -> Option<Node<'t>> {
        self.enter(depth)?;
        let mut items = Vec::new();
        while let Some(line) = self.line.filter(|line| line.indent == indent && line.is_item()) {
            let dash = indent + 2;
            let start = dash + line.text[dash..].bytes().position(|byte| byte != b' ')?;
            let compact =
                !line.text[start..].starts_with(['{', '[', '"', '\'']) && key(line, start, self.file).is_some();
            if compact {
                let place = line.place(self.file, start, 1);
                items.push(self.mapping(start, place, depth + 1)?);
            } else {
                items.push(self.inline(line, start, depth)?);
                self.advance()?;
            }
        }
        let ends = self.line.is_none_or(|next| next.indent <= indent);
        ends.then_some(Node { place, value: Value::Sequence(items) })
    }

    /// A value that ends with its line.
    fn inline(&mut self, line: Line<'t>, start: usize, depth: usize) -> Option<Node<'t>> {
        let (node, end) = match line.text.as_bytes()[start] {
            b'{' | b'[' => self.flow(line, start, depth + 1)?,
            b'"' | b'\'' => self.quoted(line, start)?,
            _ => {
                let text = &line.text[start..];
                block_plain(text).then_some(())?;
                (self.plain(line, start, line.text.len()), line.text.len())
            }
        };
        (end == line.text.len()).then_some(node)
    }

    fn plain(&mut self, line: Line<'t>, start: usize, end: usize) -> Node<'t> {
        self.count += 1;
        let text = &line.text[start..end];
        let value = match is_null(text) {
            true => Value::Null,
            false => Value::Scalar { text: Cow::Borrowed(text), plain: true },
        };
        Node { place: line.place(self.file, start, end - start), value }
    }

    /// A text between quotes that stands for itself, and where it ends.
    fn quoted(&mut self, line: Line<'t>, start: usize) -> Option<(Node<'t>, usize)> {
        self.count += 1;
        let quote = char::from(line.text.as_bytes()[start]);
        let length = line.text[start + 1..].find(quote)?;
        let text = &line.text[start + 1..start + 1 + length];
        let end = start + length + 2;
        let doubled = line.text[end..].starts_with(quote);
        let place = line.place(self.file, start, end - start);
        let value = Value::Scalar { text: Cow::Borrowed(text), plain: false };
        (!doubled && !text.contains('\\')).then_some((Node { place, value }, end))
    }

    /// A flow collection, and where it ends.
    fn flow(&mut self, line: Line<'t>, start: usize, depth: usize) -> Option<(Node<'t>, usize)> {
        self.enter(depth)?;
        let place = line.place(self.file, start, 1);
        let bytes = line.text.as_bytes();
        let map = bytes[start] == b'{';
        let closing = if map { b'}' } else { b']' };
        let (mut entries, mut items) = (Vec::new(), Vec::new());
        let mut at = start + 1;
        while bytes.get(at) != Some(&closing) {
            if map {
                let end = at + flow_word(&line.text[at..])?;
                let key = key_at(line, at, end, self.file)?;
                let value = line.text[end..].strip_prefix(": ").map(|_| end + 2)?;
                let (node, after) = self.flow_value(line, value, depth)?;
                self.count += 1;
                entries.push((key, node));
                at = after;
            } else {
                let (node, after) = self.flow_value(line, at, depth)?;
                items.push(node);
                at = after;
            }
            match bytes.get(at)? {
                b',' if bytes.get(at + 1) == Some(&b' ') && bytes.get(at + 2) != Some(&closing) => at += 2,
                last if *last == closing => {}
                _ => return None,
            }
        }
        let value = if map { Value::Mapping(entries) } else { Value::Sequence(items) };
        match &value {
            Value::Mapping(entries) if !distinct(entries) => None,
            _ => Some((Node { place, value }, at + 1)),
        }
    }

    fn flow_value(&mut self, line: Line<'t>, start: usize, depth: usize) -> Option<(Node<'t>, usize)> {
        match line.text.as_bytes().get(start)? {
            b'{' | b'[' => self.flow(line, start, depth + 1),
            b'"' | b'\'' => self.quoted(line, start),
            _ => {
                let end = start + flow_word(&line.text[start..])?;
                Some((self.plain(line, start, end), end))
            }
        }
    }

    /// Counts a collection.
    fn enter(&mut self, depth: usize) -> Option<()> {
        self.count += 1;
        (depth < MAX_DEPTH).then_some(())
    }
}

/// The key at this offset, and where its value begins, if on the same line.
fn key(line: Line<'_>, start: usize, file: u32) -> Option<(Key<'_>, Option<usize>)> {
    let text = &line.text[start..];
    let end = start + text.bytes().position(|byte| !is_word(byte)).filter(|length| *length > 0)?;
    let key = key_at(line, start, end, file)?;
    let rest = line.text[end..].strip_prefix(':')?;
    if rest.is_empty() {
        return Some((key, None));
    }
    let spaces = rest.bytes().position(|byte| byte != b' ').filter(|spaces| *spaces > 0)?;
    Some((key, Some(end + 1 + spaces)))
}

fn key_at(line: Line<'_>, start: usize, end: usize, file: u32) -> Option<Key<'_>> {
    let text = &line.text[start..end];
    let plain = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_') && !is_null(text);
    plain.then(|| Key { text: Cow::Borrowed(text), place: line.place(file, start, end - start) })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}

/// Whether a text, to its end, is a plain value of a block that means just itself.
fn block_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let first = bytes.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_'));
    let inner = |(at, byte): (usize, &u8)| match byte {
        b':' => bytes.get(at + 1).is_some_and(|next| is_word(*next) || *next == b':'),
        b' ' => bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric),
        b'+' | b'=' | b',' | b';' | b'@' => true,
        byte => is_word(*byte),
    };
    first && bytes.iter().enumerate().all(inner)
}

/// How long the plain word is that a text begins with, in a flow collection; `None` when it is not plain enough.
fn flow_word(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let inner = |at: usize| match bytes[at] {
        b':' => bytes.get(at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b':'),
        byte => is_word(byte),
    };
    let end = (0..bytes.len()).find(|at| !inner(*at))?;
    bytes[0].is_ascii_alphanumeric().then_some(end)
}

/// Whether no key is given twice.
fn distinct(entries: &[(Key, Node)]) -> bool {
    const FEW: usize = 16;
    let keys = entries.iter().map(|(key, _)| &*key.text);
    if entries.len() > FEW {
        return keys.collect::<BTreeSet<_>>().len() == entries.len();
    }
    keys.enumerate().all(|(at, key)| entries[..at].iter().all(|(before, _)| before.text != key))
}

#[cfg(test)]
mod tests;
