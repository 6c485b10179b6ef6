//! JSON values as YAML in block style.

use std::fmt::Write;

use serde_json::Value;

/// The value as a YAML document, with a line break at its end.
pub fn to_text(value: &Value) -> String {
    let mut text = String::new();
    write_block(&mut text, value, 0);
    text
}

/// Writes a value whose first line begins at the present place, and whose others are indented.
fn write_block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (number, (name, value)) in fields.iter().enumerate() {
                pad(text, if number == 0 { 0 } else { indent });
                text.push_str(&scalar_text(name));
                text.push(':');
                write_below(text, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (number, item) in items.iter().enumerate() {
                pad(text, if number == 0 { 0 } else { indent });
                text.push_str("- ");
                write_block(text, item, indent + 2);
            }
        }
        Value::String(string) => text.push_str(&(scalar_text(string) + "\n")),
        // Numbers, `true`, `null`, `[]` and `{}` are the same in both.
        // Writing to a String cannot fail.
        other => drop(writeln!(text, "{other}")),
    }
}

/// Writes a field's value: below its name when it is a block, behind it otherwise.
fn write_below(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.push('\n');
            pad(text, indent + 2);
            write_block(text, value, indent + 2);
        }
        // Lists stand in the column of their field's name.
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            pad(text, indent);
            write_block(text, value, indent);
        }
        other => {
            text.push(' ');
            write_block(text, other, indent);
        }
    }
}

fn pad(text: &mut String, spaces: usize) {
    text.extend(std::iter::repeat_n(' ', spaces));
}

/// Plain where no parser could take it for anything else, otherwise as JSON quotes it, which YAML reads.
fn scalar_text(string: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '/' | '-' | '_' | ',' | '(' | ')' | ';');
    let begins = string.starts_with(|c: char| c.is_ascii_alphabetic());
    let word = matches!(
        string.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "null" | "nan" | "inf"
    );
    if begins && string.chars().all(inner) && !string.ends_with(' ') && !word {
        return string.to_owned();
    }
    Value::String(string.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_are_indented_and_doubtful_texts_quoted() {
        let value = json!({
            "a": {"b": [1, {"c": "x y", "d": []}, [2, 3]], "e": {}},
            "f": ["yes", "1", "a: b", "", "line\nbreak", "#", true, null, 1.5],
        });
        let expected = "a:\n  b:\n  - 1\n  - c: x y\n    d: []\n  - - 2\n    - 3\n  e: {}\nf:\n- \"yes\"\n- \"1\"\n\
                        - \"a: b\"\n- \"\"\n- \"line\\nbreak\"\n- \"#\"\n- true\n- null\n- 1.5\n";
        assert_eq!(to_text(&value), expected);
    }
}
