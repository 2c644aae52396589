//! How Python prints values: chat templates were written for Jinja2, and what they print is what models were trained on.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use std::fmt::Write as _;
use std::io;

/// Values nested deeper than this are refused: printing recurses.
const MAX_DEPTH: usize = 100;

/// `str(value)`.
pub fn print(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    match value.as_str() {
        Some(text) => out.push_str(text),
        None => append_repr(value, &mut out, 0)?,
    }
    Ok(out)
}

fn append_repr(value: &Value, out: &mut String, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::String => append_quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                append_repr(&item, out, depth + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (index, key) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                append_repr(&key, out, depth + 1)?;
                out.push_str(": ");
                append_repr(&value.get_item(&key)?, out, depth + 1)?;
            }
            out.push('}');
        }
        _ => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{value}");
        }
    }
    Ok(())
}

/// `repr` of a string: single quotes, unless it holds single quotes and no double ones.
fn append_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// `json.dumps(value, ensure_ascii=…, indent=…)`, with Python's separators.
pub fn json(value: &Value, indent: Option<usize>, ascii: bool) -> Result<String, Error> {
    check_depth(value, 0)?;
    let mut bytes = Vec::new();
    let written = match indent {
        Some(width) => {
            let spaces = " ".repeat(width);
            let formatter = PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        }
        None => value.serialize(&mut Serializer::with_formatter(&mut bytes, PythonSpacing)),
    };
    written.map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    Ok(if ascii { escape_non_ascii(&text) } else { text })
}

fn escape_non_ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn too_deep() -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("a value is nested deeper than {MAX_DEPTH} levels"))
}

fn check_depth(value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => value.try_iter()?.try_for_each(|item| check_depth(&item, depth + 1)),
        ValueKind::Map => value.try_iter()?.try_for_each(|key| check_depth(&value.get_item(&key)?, depth + 1)),
        _ => Ok(()),
    }
}

/// ", " and ": ", where serde_json writes none or one.
struct PythonSpacing;

impl Formatter for PythonSpacing {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use minijinja::context;

    #[test]
    fn values_print_as_python_prints_them() {
        let value = context! { a => vec![Value::from(1), Value::from(()), Value::from(true)], b => "it's" };
        assert_eq!(print(&value).unwrap(), r#"{'a': [1, None, True], 'b': "it's"}"#);
        assert_eq!(print(&Value::from("as it is\n")).unwrap(), "as it is\n");
        assert_eq!(print(&Value::UNDEFINED).unwrap(), "");
        assert_eq!(print(&Value::from(1.0)).unwrap(), "1.0");
    }

    #[test]
    fn json_has_pythons_separators() {
        let value = context! { a => vec![1, 2], b => "é" };
        assert_eq!(json(&value, None, false).unwrap(), r#"{"a": [1, 2], "b": "é"}"#);
        assert_eq!(json(&value, None, true).unwrap(), r#"{"a": [1, 2], "b": "\u00e9"}"#);
        assert_eq!(json(&value, Some(2), false).unwrap(), "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": \"é\"\n}");
    }

    #[test]
    fn deep_values_are_refused_instead_of_overflowing_the_stack() {
        let mut value = Value::from(1);
        for _ in 0..200 {
            value = Value::from(vec![value]);
        }
        assert!(print(&value).is_err());
        assert!(json(&value, None, false).is_err());
    }
}
