//! Text, numbers, booleans, durations and words from a list.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::yaml::{Node, Value};
use super::{Cx, crop, mismatch, near_miss, one_of};

fn is_boolean(text: &str) -> bool {
    matches!(text, "true" | "false" | "True" | "False" | "TRUE" | "FALSE")
}

fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) && text.parse::<f64>().is_ok()
}

/// Text. A bare number or boolean is refused, as the API server does.
pub fn text(node: &Node, cx: Cx) -> Option<String> {
    match &node.value {
        Value::Scalar { text, plain } if *plain && (is_boolean(text) || is_number(text)) => {
            mismatch(node, cx, "text", Some(format!("write \"{text}\" with quotes")))
        }
        Value::Scalar { text, .. } => Some(text.clone().into_owned()),
        _ => mismatch(node, cx, "text", None),
    }
}

/// Text or a number, as text.
pub fn text_or_number(node: &Node, cx: Cx) -> Option<String> {
    match &node.value {
        Value::Scalar { text, plain } if !(*plain && is_boolean(text)) => Some(text.clone().into_owned()),
        _ => mismatch(node, cx, "text or a number", None),
    }
}

/// A boolean.
pub fn boolean(node: &Node, cx: Cx) -> Option<bool> {
    match &node.value {
        Value::Scalar { text, plain: true } if is_boolean(text) => Some(text.eq_ignore_ascii_case("true")),
        Value::Scalar { text, plain: false } if is_boolean(text) => {
            mismatch(node, cx, "`true` or `false`", Some(format!("write {} without quotes", text.to_lowercase())))
        }
        _ => mismatch(node, cx, "`true` or `false`", None),
    }
}

/// A whole number in a range.
pub fn int<T: TryFrom<i64>>(range: RangeInclusive<i64>) -> impl Fn(&Node, Cx) -> Option<T> {
    move |node, cx| {
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        let Value::Scalar { text, plain } = &node.value else { return mismatch(node, cx, &expected(), None) };
        let number = text.parse::<i64>().ok();
        match number {
            Some(number) if !plain => mismatch(node, cx, &expected(), Some(format!("write {number} without quotes"))),
            Some(number) if range.contains(&number) => T::try_from(number).ok(),
            _ => mismatch(node, cx, &expected(), None),
        }
    }
}

/// One of some words, as the value that stands beside it.
pub fn choice<T: Copy>(words: &[(&str, T)]) -> impl Fn(&Node, Cx) -> Option<T> {
    move |node, cx| {
        let text = node.text();
        if let Some((_, value)) = words.iter().find(|(word, _)| Some(*word) == text) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let meant = text.and_then(|text| near_miss(text, names.iter().copied()));
        let hint = meant.map(|meant| format!("did you mean `{meant}`?"));
        mismatch(node, cx, &one_of(&names), hint)
    }
}

/// A duration such as `100ms`, `1.5s` or `1m30s` (Go's syntax).
pub fn duration(node: &Node, cx: Cx) -> Option<Duration> {
    let hint = Some("write a number and a unit: `100ms`, `30s`, `1m30s`".to_owned());
    match node.text().map(parse_duration) {
        Some(Some(duration)) => Some(duration),
        _ => mismatch(node, cx, "a duration", hint),
    }
}

/// A duration within bounds.
pub fn duration_in(range: RangeInclusive<Duration>) -> impl Fn(&Node, Cx) -> Option<Duration> {
    move |node, cx| {
        let duration = duration(node, cx)?;
        if range.contains(&duration) {
            return Some(duration);
        }
        let show = humantime::format_duration;
        let bounds = format!("from {} to {}", show(*range.start()), show(*range.end()));
        mismatch(node, cx, &format!("a duration {bounds}"), None)
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut nanos = 0f64;
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..number_end].parse().ok()?;
        rest = &rest[number_end..];
        let unit_end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..unit_end] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        nanos += number * unit;
        rest = &rest[unit_end..];
    }
    const MAX_NANOS: f64 = 1e18;
    (!text.is_empty() && nanos <= MAX_NANOS).then(|| Duration::from_nanos(nanos.round() as u64))
}

/// Reads a number out of text, for parts of larger texts.
pub fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A message for a text that is not what it should be.
pub fn not_a(what: &str, text: &str) -> String {
    format!("`{}` is not {what}", crop(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_go() {
        for (text, millis) in [("100ms", 100), ("1.5s", 1_500), ("1m30s", 90_000), ("0", 0), ("2h", 7_200_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "1d", "-1s", "1 s", "1..2s", "999999999999h"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
