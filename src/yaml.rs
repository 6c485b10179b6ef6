//! JSON values as YAML: block style, with quotes where a reader might see anything but the text.

use serde_json::Value;

/// A value as a YAML document.
pub fn to_yaml(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn write(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                begin(at, indent, out);
                out.push_str("- ");
                write(item, indent + 2, out);
                end(out);
            }
        }
        Value::Object(fields) if !fields.is_empty() => {
            for (at, (key, value)) in fields.iter().enumerate() {
                begin(at, indent, out);
                out.push_str(&text(key));
                out.push(':');
                match value {
                    Value::Array(items) if !items.is_empty() => below(value, indent, out),
                    Value::Object(fields) if !fields.is_empty() => below(value, indent + 2, out),
                    _ => {
                        out.push(' ');
                        write(value, indent, out);
                    }
                }
                end(out);
            }
        }
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::String(string) => out.push_str(&text(string)),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

/// The first line of a block stands where it was begun.
fn begin(at: usize, indent: usize, out: &mut String) {
    if at > 0 {
        out.extend(std::iter::repeat_n(' ', indent));
    }
}

fn end(out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

fn below(value: &Value, indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    write(value, indent, out);
}

/// Text as it stands where that is safe, else in JSON's quotes, which YAML reads alike.
fn text(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./ ".contains(c))
        && !text.ends_with(' ');
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if word && !reserved.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn blocks_nest_and_doubtful_text_is_quoted() {
        let value = json!([
            {"name": "a b", "list": [1, [true, "no"], {"x": null}], "none": [], "map": {"k": "1"}},
            {"colon": "a: b", "empty": "", "address": "fd00::1", "object": {}}
        ]);
        let expected = "- list:\n  - 1\n  - - true\n    - \"no\"\n  - x: null\n  map:\n    k: \"1\"\n  name: a b\n  \
                        none: []\n- address: \"fd00::1\"\n  colon: \"a: b\"\n  empty: \"\"\n  object: {}\n";
        assert_eq!(to_yaml(&value), expected);
        assert_eq!(to_yaml(&json!([])), "[]\n");
    }
}
