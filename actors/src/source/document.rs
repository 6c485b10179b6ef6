//! One document by itself: a `Service` that comes through the API.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use quorumlb_raft_store::model::Service;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::decode::Cx;
use super::diagnostic::{Diagnostic, Place, Report, Severity};
use super::objects::Objects;
use super::yaml::{self, Key, Node, Value};
use super::{SourceFile, kinds};

/// What a document is called in diagnostics.
const NAME: &str = "body";

/// Reads one native `Service` in JSON or YAML, as strictly as from a file; with what should be looked at.
///
/// # Errors
/// Everything that is wrong, with line and column.
pub fn read_service(text: Vec<u8>) -> Result<(Service, Vec<Diagnostic>), Vec<Diagnostic>> {
    // Most bodies are JSON without a flaw. That path knows no places, so whatever it would complain about goes to the
    // other one, which does.
    if let Some(service) = quick(&text) {
        return Ok((service, Vec::new()));
    }
    let file = SourceFile::from_bytes(NAME, text).map_err(|problem| vec![*problem])?;
    let files = [file];
    let report = Report::new(&files);
    let mut documents = Vec::new();
    yaml::parse(0, &files[0].text, &report, |document| documents.push(document));
    let service = the_service(&documents, &report);
    let found = report.finish();
    match service {
        Some(service) if !found.iter().any(|problem| problem.severity == Severity::Error) => Ok((service, found)),
        _ => Err(found),
    }
}

fn quick(text: &[u8]) -> Option<Service> {
    let Json(node) = serde_json::from_slice(text).ok()?;
    let files = [SourceFile { path: NAME.into(), text: String::new() }];
    let report = Report::new(&files);
    let service = the_service(std::slice::from_ref(&node), &report);
    service.filter(|_| report.finish().is_empty())
}

fn the_service(documents: &[Node], report: &Report) -> Option<Service> {
    let cx = Cx { report, strict: false };
    let mut objects = Objects::default();
    documents.iter().for_each(|document| kinds::read_document(document, cx, &mut objects));
    let native = |document: &Node| {
        let text = |key| document.get(key).and_then(Node::text);
        text("kind") == Some("Service") && text("apiVersion").is_some_and(|version| version.starts_with("quorumlb.io/"))
    };
    match documents {
        [one] if native(one) => objects.services.pop().map(|(service, _)| *service),
        _ => {
            let place = documents.get(1).or(documents.first()).map_or(START, |document| document.place);
            let hint = "send one document with `apiVersion: quorumlb.io/v1alpha1` and `kind: Service`".to_owned();
            report.error(place, "expected one native Service, and nothing else", hint);
            None
        }
    }
}

const START: Place = Place { file: 0, line: 1, column: 1, width: 1 };

/// JSON as a tree that knows no places. Refuses what the other path would complain about.
struct Json<'t>(Node<'t>);

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree).map(|value| Self(Node { place: START, value }))
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(plain(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(plain(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(plain(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value<'de>, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Scalar { text: Cow::Borrowed(value), plain: false })
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value<'de>, E> {
        Ok(Value::Scalar { text: Cow::Owned(text), plain: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut sequence = Vec::new();
        while let Some(Json(node)) = items.next_element()? {
            sequence.push(node);
        }
        Ok(Value::Sequence(sequence))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value<'de>, A::Error> {
        let mut entries: Vec<(Key<'de>, Node<'de>)> = Vec::new();
        while let Some((Text(text), Json(node))) = fields.next_entry::<Text<'de>, Json<'de>>()? {
            entries.push((Key { text, place: START }, node));
        }
        let twice = entries.iter().map(|(key, _)| &key.text).collect::<BTreeSet<_>>().len() != entries.len();
        if twice || entries.iter().any(|(key, _)| key.text == "<<") {
            return Err(A::Error::custom("needs a place"));
        }
        Ok(Value::Mapping(entries))
    }
}

fn plain(text: String) -> Value<'static> {
    Value::Scalar { text: Cow::Owned(text), plain: true }
}

/// A key, borrowed where it needs no unescaping.
#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"apiVersion":"quorumlb.io/v1alpha1","kind":"Service","metadata":{"name":"web"},
        "spec":{"ports":[{"protocol":"TCP","port":80}],"backends":[{"address":"10.0.5.11","port":80}]}}"#;
    const YAML: &str = "apiVersion: quorumlb.io/v1alpha1\nkind: Service\nmetadata: {name: web}\nspec:\n  \
        ports: [{protocol: TCP, port: 80}]\n  backends: [{address: 10.0.5.11, port: 80}]\n";

    fn wrong(text: &str) -> String {
        super::super::render(&read_service(text.into()).expect_err("it is wrong"))
    }

    #[test]
    fn json_and_yaml_say_the_same() {
        let (json, none) = read_service(JSON.into()).unwrap();
        assert_eq!((json.clone(), none), read_service(YAML.into()).unwrap());
        assert_eq!(Some(json), quick(JSON.as_bytes()), "the quick path is taken");
    }

    #[test]
    fn both_paths_are_equally_strict() {
        let text = wrong(&JSON.replace("\"port\":80}]}}", "\"prot\":80}]}}"));
        assert!(text.contains("body:2:") && text.contains("did you mean `port`?"), "{text}");
        let text = wrong(&JSON.replace("\"port\":80}],\"back", "\"port\":\"80\"}],\"back"));
        assert!(text.contains("body:2:"), "{text}");
        let text = wrong(&JSON.replace("{\"name\":\"web\"}", "{\"name\":\"web\",\"name\":\"db\"}"));
        assert!(text.contains("is given twice"), "{text}");
        for text in ["", "[]", "{", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n", "\u{1}"] {
            assert!(wrong(text).contains("error"), "{text}");
        }
        assert!(wrong(&format!("{YAML}---\n{YAML}")).contains("one native Service"), "two documents");
        assert!(!read_service(vec![0xff]).unwrap_err().is_empty());
    }

    #[test]
    fn a_warning_is_told_and_the_service_is_taken() {
        let (_, warnings) =
            read_service(YAML.replace("  backends: [{address: 10.0.5.11, port: 80}]\n", "").into()).unwrap();
        assert_eq!(warnings.len(), 1);
    }
}
